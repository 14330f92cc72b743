#' Versions
#'
#' `version_info()` shows the versions of everything metaflow runs on, `r_version()` is that of R.
#'
#' @return `r_version()`: one string. `version_info()`: a named character vector, invisibly.
#' @export
#' @examples
#' r_version()
r_version <- function() paste(R.version$major, R.version$minor, sep = ".")
