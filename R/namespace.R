#' The namespace
#'
#' A namespace is a tag: clients see the runs that have it. The default is `"user:"` and your name, so
#' that you see your own runs; `set_namespace(NULL)` shows those of everybody. Clients that were made
#' before are not affected.
#'
#' @param ns A tag such as `"user:alice"` or `"production"`; `NULL` for all runs.
#' @return The namespace that is now in force: a string, or `NULL` for all runs. Those that change it return it invisibly.
#' @export
#' @examples
#' \dontrun{
#' get_namespace()
#' set_namespace("user:alice")
#' set_namespace(NULL)
#' set_default_namespace()
#' }
get_namespace <- function() {
  chosen <- chosen_namespace()
  if (length(chosen)) chosen[[1]] else current_view()$namespace[[1]]
}

#' @rdname get_namespace
#' @export
set_namespace <- function(ns = NULL) {
  if (!is.null(ns) && !(is.character(ns) && length(ns) == 1L && !is.na(ns) && nzchar(ns))) {
    mf_abort(sprintf("%s is not a namespace.", shown_value(ns)), "metaflow_usage_error",
      "Use one tag such as \"user:alice\", or NULL to see all runs.")
  }
  the$namespace <- list(if (is.null(ns)) NULL else as.vector(ns))
  invisible(ns)
}

#' @rdname get_namespace
#' @export
set_default_namespace <- function() {
  the$namespace <- list()
  invisible(get_namespace())
}
