# Configurations of a flow: files that are read when a run starts, before anything is checked. config() of R/config.R
# declares one; here is how it gets its value, and how cfg() finds its way into decorators.

declare_config <- function(flow, name, default, parser, required, help) {
  if (missing(name)) {
    mf_abort("config() of a flow needs the name of the configuration.", "metaflow_usage_error", "Write config(\"train\", default = \"train.json\").")
  }
  check_new_parameter(flow, name)
  what <- function(argument, fits, rule) if (!fits) mf_abort(sprintf("%s of config '%s' %s.", argument, name, rule), "metaflow_invalid_flow_error")
  what("default", is.null(default) || is_filled(default) || is.list(default), "must be the path of a file, or a list")
  what("required", is_switch(required), "must be TRUE or FALSE")
  what("help", is.null(help) || is_string(help), "must be one string")
  known <- is.null(parser) || is.function(parser) || is_string(parser) && parser %in% config_formats
  what("parser", known, sprintf("must be one of %s, or a function of a text", quoted(config_formats)))
  with_parameter(flow, list(
    name = name, kind = "config", required = required, help = help, separator = NULL, default = default, type = NULL, is_flag = FALSE,
    parser = parser
  ))
}

config_formats <- c("json", "yaml", "toml")

is_config <- function(p) identical(p$kind, "config")

#' A value of a flow's configuration
#'
#' Stands for a value that is known when the run starts, in arguments of decorators and as the default of a
#' [parameter()]: `resources(memory = cfg("train.memory"))`. Inside a step it is the value. See [config()].
#'
#' @param path Name of the configuration and, below it, of the value, as `"train.memory"`. Numbers count the elements of
#'   lists from 1.
#' @param default What it is when the configuration has no such value; without one that is an error.
#' @return The value in a step; else an object that stands for it.
#' @export
#' @examples
#' metaflow("TrainFlow") %>%
#'   config("train", default = list(memory = 4000, alpha = 0.1)) %>%
#'   parameter("alpha", default = cfg("train.alpha")) %>%
#'   step(resources(memory = cfg("train.memory")), step = "start", next_step = "end") %>%
#'   step(step = "end")
cfg <- function(path, default) {
  if (!is_string(path) || !grepl("^[A-Za-z][A-Za-z0-9_]*([.][^.]+)*$", path)) {
    mf_abort("cfg() needs the name of a configuration and of a value below it.", "metaflow_usage_error", "Write cfg(\"train.memory\").")
  }
  wanted <- structure(list(path = path, default = if (!missing(default)) list(default)), class = "metaflow_cfg")
  if (is.null(the$task)) wanted else current_cfg(wanted)
}

# In a task.
current_cfg <- function(wanted) {
  name <- sub("[.].*$", "", unclass(wanted)$path)
  if (!name %in% names(the$task$parameters)) no_such_config(wanted, names(the$task$parameters))
  find_cfg(wanted, stats::setNames(list(self_get(name)), name))
}

is_cfg <- function(x) inherits(x, "metaflow_cfg")

#' @export
format.metaflow_cfg <- function(x, ...) sprintf("cfg(\"%s\")", unclass(x)$path)

#' @export
print.metaflow_cfg <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @export
Ops.metaflow_cfg <- function(e1, e2) {
  mf_abort(sprintf("%s is known when the run starts, and cannot be computed with before.", format(if (is_cfg(e1)) e1 else e2)),
    "metaflow_usage_error", "Keep the value that is wanted in the configuration.")
}

find_cfg <- function(x, values) {
  wanted <- unclass(x)
  parts <- strsplit(wanted$path, ".", fixed = TRUE)[[1]]
  if (!parts[[1]] %in% names(values)) no_such_config(x, names(values))
  value <- values[[parts[[1]]]]
  for (i in seq_along(parts)[-1]) {
    number <- if (grepl("^[0-9]+$", parts[[i]])) as.integer(parts[[i]])
    at <- match(parts[[i]], names(value), nomatch = if (is.null(number)) 0L else number)
    if (at < 1L || at > length(value)) {
      if (!is.null(wanted$default)) return(wanted$default[[1]])
      above <- paste(parts[seq_len(i - 1L)], collapse = ".")
      mf_abort(sprintf("%s: the configuration has no '%s' in '%s'.", format(x), parts[[i]], above), "metaflow_parameter_error",
        did_you_mean(parts[[i]], names(value)) %||% sprintf("It has: %s.", if (length(names(value))) paste(names(value), collapse = ", ") else "nothing"))
    }
    value <- value[[at]]
  }
  value
}

config_hint <- function(name) sprintf("Declare it in the flow: config(\"%s\", default = \"%s.json\").", name, name)

no_such_config <- function(x, known) {
  name <- sub("[.].*$", "", unclass(x)$path)
  mf_abort(sprintf("%s: the flow has no configuration '%s'.", format(x), name), "metaflow_parameter_error",
    did_you_mean(name, known) %||% config_hint(name))
}

# --- when a run starts -----------------------------------------------------------------------------

# The flow with the values of its configurations in their places. `options`: those of run(). `origin`: {name: JSON} of
# the run that is resumed, whose configurations count unless others are given.
with_config_values <- function(flow, options = list(), origin = list()) {
  parameters <- flow$parameters
  declared <- Filter(is_config, parameters)
  files <- given_configs(options[["config"]], "config", names(declared))
  literals <- given_configs(options[["config_value"]], "config_value", names(declared))
  twice <- intersect(names(files), names(literals))
  if (length(twice)) {
    mf_abort(sprintf("Config '%s' is given twice, as a file and as a value.", twice[[1]]), "metaflow_usage_error", "Keep one of them.")
  }
  problems <- character()
  for (p in declared) {
    told <- tryCatch(config_value(p, files[[p$name]], literals[[p$name]], origin[[p$name]], flow$script), metaflow_error = function(e) {
      problems <<- c(problems, conditionMessage(e))
      NULL
    })
    parameters[[p$name]][c("value", "source", "fresh")] <- list(told$value, told$source, told$fresh)
  }
  if (length(problems)) mf_abort(paste(problems, collapse = "\n"), "metaflow_parameter_error")
  flow <- changed_flow(flow, parameters = parameters)
  replace_cfg(flow, lapply(Filter(is_config, parameters), function(p) p$value))
}

given_configs <- function(given, option, known) {
  given <- as.list(given)
  if (length(given) && (is.null(names(given)) || !all(nzchar(names(given))))) {
    mf_abort(sprintf("%s must be a named list, one name per configuration.", option), "metaflow_usage_error",
      "Write config = list(train = \"train.json\"), or --config train train.json.")
  }
  unknown <- setdiff(names(given), known)
  if (length(unknown)) {
    mf_abort(sprintf("The flow has no configuration %s.", quoted(unknown)), "metaflow_usage_error",
      did_you_mean(unknown[[1]], known) %||% if (length(known)) paste0("It has: ", paste(known, collapse = ", "), ".") else config_hint(unknown[[1]]))
  }
  given
}

# list(value, source, fresh): `fresh` is FALSE for what the resumed run had.
config_value <- function(p, file, literal, origin, script) {
  if (!is.null(literal)) {
    if (!is_string(literal)) return(list(value = plain_config(literal, p$name), source = "value", fresh = TRUE))
    return(list(value = parse_config(literal, p, "json", sprintf("--config-value %s", p$name)), source = "value", fresh = TRUE))
  }
  if (is.null(file) && !is.null(origin)) return(list(value = json_config(origin), source = "origin", fresh = FALSE))
  if (is.null(file) && is.list(p$default)) return(list(value = plain_config(p$default, p$name), source = "default", fresh = TRUE))
  if (is.null(file) && is.null(p$default)) {
    if (p$required) mf_abort(sprintf("Config '%s' is required.", p$name), "metaflow_parameter_error", sprintf("Give it as --config %s FILE.", p$name))
    return(list(value = NULL, source = NULL, fresh = TRUE))
  }
  if (!is.null(file) && !is_filled(file)) mf_abort(sprintf("Config '%s' wants the path of a file, but got %s.", p$name, shown_value(file)), "metaflow_parameter_error")
  path <- if (is.null(file)) beside_script(p$default, script) else path.expand(file)
  if (!file.exists(path) || dir.exists(path)) {
    mf_abort(sprintf("The file of config '%s' does not exist: %s", p$name, path), "metaflow_parameter_error",
      sprintf("Give another one as --config %s FILE.", p$name))
  }
  list(value = parse_config(read_text(path), p, format_of_file(path), path), source = path, fresh = TRUE)
}

format_of_file <- function(path) {
  switch(tolower(tools::file_ext(path)), yaml = , yml = "yaml", toml = "toml", "json")
}

parse_config <- function(text, p, format, where) {
  value <- tryCatch(
    if (is.function(p$parser)) p$parser(text) else switch(p$parser %||% format,
      json = json_config(text),
      yaml = if (requireNamespace("yaml", quietly = TRUE)) yaml::yaml.load(text) else json_config(core_call("setup.parse_text", text = text, format = "yaml")),
      toml = json_config(core_call("setup.parse_text", text = text, format = "toml"))
    ),
    metaflow_missing_extra_error = stop,
    error = function(e) {
      mf_abort(sprintf("Config '%s' cannot be read (%s): %s", p$name, where, conditionMessage(e)), "metaflow_parameter_error",
        if (is.null(p$parser)) sprintf("It is read as %s; config(parser = ) says otherwise.", toupper(format)))
    }
  )
  plain_config(value, p$name)
}

json_config <- function(text) {
  jsonlite::fromJSON(text, simplifyVector = TRUE, simplifyDataFrame = FALSE, simplifyMatrix = FALSE)
}

# As it reads back from run.json, so that a run and its resumes see the same.
plain_config <- function(value, name) {
  tryCatch(json_config(config_json(value)), error = function(e) {
    mf_abort(sprintf("The value of config '%s' is more than texts, numbers, and lists of them: %s", name, conditionMessage(e)), "metaflow_parameter_error")
  })
}

config_json <- function(value) if (is.null(value)) "null" else json(value)

# Looks up every cfg() that stands in a decorator or as a default.
replace_cfg <- function(flow, values) {
  look_up <- function(decorator) {
    found <- vapply(decorator$arguments, is_cfg, FALSE)
    if (!any(found)) return(decorator)
    decorator$arguments[found] <- lapply(names(decorator$arguments)[found], function(name) {
      typed_argument(decorator$name, name, find_cfg(decorator$arguments[[name]], values))
    })
    decorator$arguments <- Filter(Negate(is.null), decorator$arguments)
    if (!is_user_decorator(decorator)) check_decorator(decorator)
    decorator
  }
  steps <- lapply(flow$steps, function(step) {
    step$decorators <- lapply(step$decorators, look_up)
    step
  })
  parameters <- lapply(flow$parameters, function(p) {
    if (!is_cfg(p$default)) return(p)
    p$default <- find_cfg(p$default, values)
    p$type <- p$type %||% implied_type(p$default, p$separator, p$is_flag)
    p
  })
  changed_flow(flow, decorators = lapply(flow$decorators, look_up), parameters = parameters, steps = steps)
}

# A number among arguments of any name, as in environment_variables(), is a text there.
typed_argument <- function(decorator, name, value) {
  known <- find_decorator(decorator)
  named <- name %in% vapply(known$args, function(a) a$name, "")
  if (!named && "str" %in% unlist(known$other_args$types) && is.atomic(value) && !is.null(value)) as.character(value) else value
}

# For run.json: {name: {"value", "source"}}.
config_records <- function(flow) {
  lapply(Filter(is_config, flow$parameters), function(p) list(value = as_json(config_json(p$value)), source = p$source))
}

# What the run to be resumed had, as {name: JSON}.
origin_configs <- function(flow, options) {
  if (is.null(options$resume) || isFALSE(options$resume) || !any(vapply(flow$parameters, is_config, FALSE))) return(list())
  core_call("runs.origin_configs", settings = settings_request(options[c("datastore", "datastore_root", "metadata")]),
    flow = flow$name, run = resume_request(flow, options)$run, namespace = resume_request(flow, options)$namespace)
}

# Has the flow configurations whose values nobody has looked up yet? Those of `show` and `plot()` are the defaults.
has_open_configs <- function(flow) {
  any(vapply(flow$parameters, function(p) is_config(p) && is.null(p$fresh) || is_cfg(p$default), FALSE)) ||
    any(vapply(unlist(lapply(flow$steps, function(s) lapply(s$decorators, function(d) d$arguments)), recursive = FALSE), function(a) {
      any(vapply(a, is_cfg, FALSE))
    }, FALSE))
}
