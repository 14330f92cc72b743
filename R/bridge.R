# The only place where R and Python meet. Strings cross, nothing else: reticulate's conversion of
# other values loses some of them silently (NA becomes TRUE, 2^53 + 1 becomes 1).

# Calls a method of the core with named arguments (lists of JSON-able values); returns its value as
# nested lists. An error of the core is raised as an R condition of the same class.
core_call <- function(method, ...) {
  core <- the$core %||% undisturbed(connect_core())
  arguments <- list(...)
  payload <- if (length(arguments)) json(arguments) else "{}"
  answer <- parse_json(enc2utf8(reticulate::py_to_r(core$call(method, payload))))
  if (isTRUE(answer$interrupt)) raise_interrupt()
  if (!is.null(answer$error)) raise_core_error(answer$error)
  answer$ok
}

connect_core <- function() {
  start_python()
  path <- system.file("python", package = "metaflow")
  core <- tryCatch(
    reticulate::import_from_path("metaflow_core.bridge", path = path, convert = FALSE),
    error = function(e) {
      mf_abort(sprintf("The Python core cannot be loaded from %s: %s", path, conditionMessage(e)), "metaflow_setup_error",
        "Python 3.9 or newer is needed. Reinstall the package, or choose a Python with METAFLOW_PYTHON.")
    }
  )
  the$core <- core
  version <- package_version_text()
  hello <- core_call("core.handshake", version = version)
  if (!isTRUE(hello$same)) {
    the$core <- NULL
    mf_abort(sprintf("The R package is version %s, but the Python core is %s.", version, hello$version), "metaflow_setup_error",
      "Another metaflow_core was loaded before. Restart R.")
  }
  core
}

package_version_text <- function() as.character(utils::packageVersion("metaflow"))

raise_core_error <- function(error) {
  hint <- error$hint
  if (!is.null(error$traceback) && Sys.getenv("METAFLOW_DEBUG") %in% c("1", "true", "TRUE")) {
    hint <- paste(c(hint, error$traceback), collapse = "\n")
  } else if ("metaflow_internal_error" %in% unlist(error$classes)) {
    if (is.null(hint) || !nzchar(hint)) hint <- "This is a bug in metaflow. Set METAFLOW_DEBUG=1 and try again to see where it happens."
  }
  message <- paste0(toupper(substr(error$message, 1L, 1L)), substring(error$message, 2L))
  mf_abort(message, unlist(error$classes), hint, error$data)
}

# Ctrl-C that arrived while Python was at work.
raise_interrupt <- function() {
  condition <- structure(class = c("interrupt", "condition"), list(message = "", call = NULL))
  signalCondition(condition)
  stop(condition)
}
