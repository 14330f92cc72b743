#' Versions and places
#'
#' `version_info()` shows the versions of everything metaflow runs on, `r_version()` is that of R,
#' `metaflow_location()` the folder of the Python core, `container_image()` the name of a container
#' image with this R and this package in it.
#'
#' The image is built with the Dockerfile in `system.file("templates", package = "metaflow")`, which says how. Put it where
#' the cluster finds it, and name it by `METAFLOW_DEFAULT_CONTAINER_IMAGE`.
#'
#' @return `version_info()`: a named character vector of class `metaflow_versions`. The others: one
#'   string.
#' @export
#' @examples
#' r_version()
#' container_image()
version_info <- function() {
  core <- core_call("setup.versions")
  versions <- c(
    metaflow = package_version_text(), R = r_version(), Python = core$python,
    reticulate = as.character(utils::packageVersion("reticulate")), core = core$metaflow
  )
  structure(versions, class = "metaflow_versions")
}

#' @export
print.metaflow_versions <- function(x, ...) {
  writeLines(paste(format(names(x)), unclass(x)))
  invisible(x)
}

#' @rdname version_info
#' @export
r_version <- function() paste(R.version$major, R.version$minor, sep = ".")

#' @rdname version_info
#' @export
metaflow_location <- function() system.file("python", "metaflow_core", package = "metaflow", mustWork = TRUE)

#' @rdname version_info
#' @export
container_image <- function() paste0("metaflow-r:", package_version_text(), "-r", r_version())
