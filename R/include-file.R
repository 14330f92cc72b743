#' Keep a file with the run
#'
#' Declares a parameter whose value is a file. Its content is read when the run starts and stored with it, once for
#' equal contents, so every task sees it wherever it runs, and whatever becomes of the file. Give it as
#' `run(flow, data = "file.csv")` or `Rscript flow.R run --data file.csv`.
#'
#' @param flow A flow, from [metaflow()].
#' @param name Name of the parameter; steps read it as `self$name`.
#' @param required Must a file be given?
#' @param help One line for `Rscript flow.R help`.
#' @param default The file when none is given, beside the script or in the working directory. Without one `self$name`
#'   is `NULL`.
#' @param is_text `TRUE`: `self$name` is the content as one text (in UTF-8); `FALSE`: a raw vector.
#' @param parser A function of a path that reads the file, as `read.csv`: `self$name` is what it returns, read on first
#'   use in each task. `"path"`: `self$name` is the path of a file with this content and the name that it had, for
#'   reading only.
#' @return The flow with the parameter added.
#' @export
#' @examples
#' metaflow("ReportFlow") %>%
#'   include_file("query", default = "query.sql") %>%
#'   include_file("sales", default = "sales.csv", parser = read.csv)
include_file <- function(flow, name, required = FALSE, help = NULL, default = NULL, is_text = TRUE, parser = NULL) {
  check_flow_value(flow, "include_file")
  if (missing(name)) {
    mf_abort("include_file() needs the name of the parameter.", "metaflow_usage_error", "Write include_file(\"data\", default = \"data.csv\").")
  }
  check_new_parameter(flow, name)
  check_declaration(name, "required", is_switch(required), "must be TRUE or FALSE")
  check_declaration(name, "is_text", is_switch(is_text), "must be TRUE or FALSE")
  check_declaration(name, "help", is.null(help) || is_string(help), "must be one string")
  check_declaration(name, "default", is.null(default) || is_filled(default), "must be the path of a file")
  check_declaration(name, "parser", is.null(parser) || is.function(parser) || identical(parser, "path"), "must be a function of a path, or \"path\"")
  with_parameter(flow, list(
    name = name, kind = "file", required = required, help = help, separator = NULL, default = default, type = NULL, is_flag = FALSE,
    is_text = is_text, parser = out_of_pipe(parser)
  ))
}

is_included <- function(p) identical(p$kind, "file")

# The file that is the value of `p`, as a value to be staged; NULL without one.
included_parameter <- function(p, given, script) {
  asked <- given %||% p$default
  if (is.null(asked)) {
    if (p$required) mf_abort(sprintf("File '%s' is required.", p$name), hint = sprintf("Give it as --%s FILE or run(%s = \"file\").", p$name, p$name))
    return(NULL)
  }
  if (!is_filled(asked)) mf_abort(sprintf("Parameter '%s' wants the path of a file, but got %s.", p$name, shown_value(asked)), "metaflow_parameter_error")
  path <- if (is.null(given)) beside_script(asked, script) else path.expand(asked)
  if (!file.exists(path) || dir.exists(path)) {
    mf_abort(sprintf("The file of parameter '%s' does not exist: %s", p$name, path), "metaflow_parameter_error",
      sprintf("Give another one as --%s FILE or run(%s = \"file\").", p$name, p$name))
  }
  text <- p$is_text && is.null(p$parser)
  if (text && !is_utf8_file(path)) {
    mf_abort(sprintf("The file of parameter '%s' is no text in UTF-8: %s", p$name, path), "metaflow_parameter_error",
      "Declare include_file(..., is_text = FALSE) for a raw vector, or a parser.")
  }
  structure(list(path = normalizePath(path), text = text), class = "metaflow_included")
}

# A default is meant to lie beside the script, wherever that is started from.
beside_script <- function(path, script) {
  beside <- if (is.null(script)) path else file.path(dirname(script), path)
  if (!is_absolute(path) && file.exists(beside)) beside else path.expand(path)
}

is_absolute <- function(path) grepl("^(/|~|[A-Za-z]:|\\\\\\\\)", path)

is_utf8_file <- function(path) {
  bytes <- read_bytes(path)
  !any(bytes == as.raw(0)) && validUTF8(rawToChar(bytes))
}

# The values of all parameters, in files below `staging`, and their descriptions.
stage_parameters <- function(values, staging) {
  included <- vapply(values, inherits, FALSE, "metaflow_included")
  c(write_values(values[!included], staging), stage_included(values[included], staging))
}

# Puts the files among `values` into `staging`, as they are; the description of each as write_values() gives it.
stage_included <- function(values, staging) {
  lapply(values, function(value) {
    name <- paste0("included-", basename(tempfile("")))
    if (!file.copy(value$path, file.path(staging, name))) mf_abort(sprintf("The file %s cannot be read.", value$path), "metaflow_parameter_error")
    list(
      file = name, offset = 0, size = file.size(file.path(staging, name)), encoding = if (value$text) "file-text" else "file-bytes",
      class = I(if (value$text) "character" else "raw"), length = if (value$text) 1 else file.size(value$path)
    )
  })
}

# What a task needs to know to read them, by parameter; it travels with the code.
captured_includes <- function(flow) {
  lapply(Filter(is_included, flow$parameters), function(p) list(is_text = p$is_text, parser = p$parser, file = basename(p$default %||% p$name)))
}

# --- in a task, and in the client ------------------------------------------------------------------

# What self$name is: `path` has the stored content.
included_value <- function(path, name) {
  how <- the$worker$code$includes[[name]]
  if (is.null(how$parser)) return(if (isFALSE(how$is_text)) read_bytes(path) else read_text(path))
  copy <- named_copy(path, how$file)
  if (is.function(how$parser)) how$parser(copy) else copy
}

read_text <- function(path) {
  text <- rawToChar(read_bytes(path))
  Encoding(text) <- "UTF-8"
  text
}

# Parsers look at the name of a file.
named_copy <- function(path, name) {
  folder <- file.path(the$task$current$tempdir, "included", basename(path))
  copy <- file.path(folder, name)
  if (!file.exists(copy)) {
    dir.create(folder, recursive = TRUE, showWarnings = FALSE)
    # Copies of a remote store's blobs may be removed to make room for others.
    linked <- !isTRUE(the$worker$asks) && .Platform$OS.type != "windows" && suppressWarnings(file.symlink(path, copy))
    if (!linked) file.copy(path, copy)
  }
  copy
}
