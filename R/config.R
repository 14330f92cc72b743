#' Show the settings, or give a flow a configuration
#'
#' `config()` shows the settings of this package. They come from `~/.metaflowconfig/config.json` (another file with
#' `METAFLOW_PROFILE`), `METAFLOW_*` environment variables, `options(metaflow.*)` and arguments of [run()]; later wins.
#'
#' `config(flow, "train", default = "train.json")` declares a configuration of a flow: a file of names and values which is
#' read when a run starts, before anything is checked. Steps read it as `self$train`, a list; [cfg()] puts a value of
#' it into a decorator: `resources(memory = cfg("train.memory"))`. It is recorded with the run, and a resumed run has
#' that of its origin unless another one is given.
#'
#' Another file is given as `Rscript flow.R run --config train other.yaml`, or `run(flow, config = list(train =
#' "other.yaml"))`; the values themselves as `--config-value train '{"memory": 8000}'`, or
#' `run(flow, config_value = list(train = list(memory = 8000)))`.
#'
#' @param flow A flow, from [metaflow()]. Without one, the settings are shown.
#' @param name Name of the configuration.
#' @param default The file when none is given, beside the script or in the working directory; or a list of the values
#'   themselves.
#' @param parser `"json"`, `"yaml"` or `"toml"`, otherwise told from the name of the file; or a function that gets the
#'   text of the file and returns a list. YAML needs the R package `yaml` or Python's `PyYAML`, TOML Python 3.11 or `tomli`.
#' @param required Must a file or value be given?
#' @param help One line for `Rscript flow.R help`.
#' @return With a flow: the flow with the configuration added. Without: a data frame with `name`, `value` and `source` of every
#'   setting, printed as a table.
#' @aliases settings
#' @export
#' @examples
#' metaflow("TrainFlow") %>%
#'   config("train", default = list(memory = 4000))
#' \dontrun{
#' config()
#' }
config <- function(flow, name, default = NULL, parser = NULL, required = FALSE, help = NULL) {
  if (!missing(flow)) {
    check_flow_value(flow, "config")
    return(declare_config(flow, name, default, parser, required, help))
  }
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
