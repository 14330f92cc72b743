#' Show the settings
#'
#' Settings come from `~/.metaflowconfig/config.json` (another file with `METAFLOW_PROFILE`),
#' `METAFLOW_*` environment variables, `options(metaflow.*)` and arguments of [run()]; later wins.
#'
#' @return A data frame with `name`, `value` and `source` of every setting, printed as a table.
#' @aliases settings
#' @export
#' @examples
#' \dontrun{
#' config()
#' }
config <- function() {
  rows <- core_call("setup.settings", settings = settings_request())
  text <- function(field) vapply(rows, function(row) paste(unlist(row[[field]]), collapse = ", "), "")
  structure(
    data.frame(name = text("name"), value = text("value"), source = text("source")),
    class = c("metaflow_config", "data.frame")
  )
}

#' @export
print.metaflow_config <- function(x, ...) {
  writeLines(paste(format(x$name), format(x$value), x$source, sep = "  "))
  invisible(x)
}
