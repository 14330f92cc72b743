#' Pipe operator
#'
#' See \code{magrittr::\link[magrittr:pipe]{\%>\%}}. The native pipe `|>` works as well.
#'
#' @name %>%
#' @rdname pipe
#' @keywords internal
#' @export
#' @importFrom magrittr %>%
#' @param lhs A flow or any value.
#' @param rhs A call.
#' @return The result of calling `rhs(lhs)`.
NULL
