#' Install the optional Python packages
#'
#' Flows of R steps need nothing but Python 3.9 or newer. `install_metaflow()` makes one environment,
#' `r-metaflow`, with the packages that belong to single features (S3, clusters, data), and is used
#' from the next R session on. `remove_metaflow_env()` deletes it.
#'
#' @param method `"virtualenv"` or `"conda"`.
#' @param envname Name of the environment.
#' @param extras Names of features: `"postgres"`, `"kubernetes"`, `"data"`.
#' @param ... Passed on to [reticulate::virtualenv_install()] or [reticulate::conda_install()].
#' @return Invisibly the path or name of the environment.
#' @export
#' @examples
#' \dontrun{
#' install_metaflow()
#' }
install_metaflow <- function(method = c("virtualenv", "conda"), envname = metaflow_environment, extras = character(), ...) {
  method <- match.arg(method)
  packages <- python_requirements(extras)
  if (method == "conda") {
    reticulate::conda_create(envname)
    reticulate::conda_install(envname, packages, pip = TRUE, ...)
  } else {
    reticulate::virtualenv_create(envname, python = system_python())
    reticulate::virtualenv_install(envname, packages, ignore_installed = FALSE, ...)
  }
  message("Installed into the environment '", envname, "'. Restart R to use it.")
  invisible(envname)
}

#' @rdname install_metaflow
#' @export
remove_metaflow_env <- function(method = c("virtualenv", "conda"), envname = metaflow_environment) {
  method <- match.arg(method)
  if (method == "conda") reticulate::conda_remove(envname) else reticulate::virtualenv_remove(envname, confirm = FALSE)
  invisible(envname)
}

# The dependencies as pyproject.toml declares them; the built package carries its text.
python_requirements <- function(extras = character()) {
  declared <- jsonlite::fromJSON(system.file("requirements.json", package = "metaflow", mustWork = TRUE))
  unknown <- setdiff(extras, names(declared$extras))
  if (length(unknown)) {
    mf_abort(sprintf("There is no extra %s.", quoted(unknown)), "metaflow_usage_error", paste0("Extras: ", paste(names(declared$extras), collapse = ", "), "."))
  }
  unique(c(declared$dependencies, unlist(declared$extras[extras], use.names = FALSE)))
}
