#' Add a parameter to a flow
#'
#' Parameters are given as `run(alpha = 0.1)` or `Rscript flow.R run --alpha 0.1`. Steps read them as
#' `self$alpha`; they cannot be assigned.
#'
#' @param flow A flow, from [metaflow()].
#' @param parameter Name of the parameter.
#' @param required Must a value be given?
#' @param help One line for `Rscript flow.R help`.
#' @param separator Splits a string given on the command line into a character vector.
#' @param default Value when none is given, or a function of the context (a list with `flow_name`,
#'   `user` and `parameter_name`) that returns it.
#' @param type One of `"int" "float" "str" "bool" "json" "date"`; taken from `default` when absent.
#' @param is_flag `TRUE` for a switch: `--verbose` alone means `TRUE`.
#' @return The flow with the parameter added.
#' @export
#' @examples
#' metaflow("TrainFlow") %>%
#'   parameter("alpha", default = 0.1, help = "learning rate") %>%
#'   parameter("features", separator = ",", default = "a,b")
parameter <- function(flow, parameter, required = FALSE, help = NULL, separator = NULL, default = NULL,
                      type = NULL, is_flag = FALSE) {
  check_flow_value(flow, "parameter")
  if (missing(parameter)) {
    mf_abort("parameter() needs the name of the parameter.", "metaflow_usage_error", "Write parameter(\"alpha\", default = 0.1).")
  }
  check_new_parameter(flow, parameter)
  check_declaration(parameter, "required", is.logical(required) && length(required) == 1L && !is.na(required), "must be TRUE or FALSE")
  check_declaration(parameter, "is_flag", is.logical(is_flag) && length(is_flag) == 1L && !is.na(is_flag), "must be TRUE or FALSE")
  check_declaration(parameter, "help", is.null(help) || is_string(help), "must be one string")
  check_declaration(parameter, "separator", is.null(separator) || is_string(separator), "must be one string, as \",\"")
  if (!is.null(type) && !(is_string(type) && type %in% parameter_types)) {
    shown <- if (is_string(type)) sprintf("type '%s'", type) else "type"
    mf_abort(sprintf("Parameter '%s' has an unknown %s.", parameter, shown), "metaflow_invalid_flow_error",
      paste0("Types: ", paste(parameter_types, collapse = " "), "."))
  }
  if (is_flag && is.null(default)) default <- FALSE
  with_parameter(flow, list(
    name = parameter, required = required, help = help, separator = separator, default = default,
    type = type %||% implied_type(default, separator, is_flag), is_flag = is_flag
  ))
}

check_new_parameter <- function(flow, name) {
  check_name(name, "parameter")
  if (name %in% names(flow$parameters)) {
    mf_abort(sprintf("Parameter '%s' is declared twice.", name), "metaflow_invalid_flow_error", "Remove one of them.")
  }
}

check_declaration <- function(parameter, argument, fits, rule) {
  if (!fits) mf_abort(sprintf("%s of parameter '%s' %s.", argument, parameter, rule), "metaflow_invalid_flow_error")
}

is_string <- function(x) is.character(x) && length(x) == 1L && !is.na(x)

parameter_types <- c("int", "float", "str", "bool", "json", "date")

implied_type <- function(default, separator, is_flag) {
  if (is_flag) return("bool")
  # With a separator the type is that of each part.
  type_of_value(if (!is.null(separator) && is.atomic(default) && length(default)) default[[1]] else default)
}

type_of_value <- function(x) {
  # NA alone is how R users write "nothing yet", of whatever type.
  if (is.function(x) || is.null(x) || is_cfg(x) || identical(x, NA)) return(NULL)
  if (inherits(x, "Date")) return("date")
  if (is.list(x) || length(x) != 1L) return("json")
  if (is.logical(x)) "bool" else if (is.integer(x)) "int" else if (is.numeric(x)) "float" else if (is.character(x)) "str" else "json"
}

parameter_spec <- function(p) {
  plain <- !is.null(p$default) && !is.function(p$default) && is.null(attributes(p$default)) && is.atomic(p$default)
  plain <- plain && is.null(p$kind)
  list(
    name = p$name, type = p$type, required = p$required && is.null(p$kind),
    default = if (plain && length(p$default) == 1L) p$default else NULL,
    has_default = !is.null(p$default), help = p$help, separator = p$separator, is_flag = p$is_flag
  )
}

# Does the process that starts the run call a function of the user's for its value?
is_computed_here <- function(p) is.function(p$default) || is_config(p) && is.function(p$parser)

# The values of all parameters of a run, from what was given. `given`: named list; a single string
# is read by the parameter's type, other values must already be of it. All problems at once.
parameter_values <- function(flow, given, context = list()) {
  problems <- character()
  values <- list()
  for (p in flow$parameters) {
    value <- tryCatch(
      {
        if (is_config(p)) p$value
        else if (is_included(p)) included_parameter(p, given[[p$name]], flow$script)
        else if (p$name %in% names(given)) convert_parameter(given[[p$name]], p)
        else if (is.function(p$default)) convert_parameter(computed_default(p, context), p)
        else if (p$required) mf_abort(sprintf("Parameter '%s' is required.", p$name), hint = sprintf("Give it as --%s VALUE or run(%s = ...).", p$name, p$name))
        else if (is.null(p$default)) NULL
        else convert_parameter(p$default, p)
      },
      error = function(e) {
        problems <<- c(problems, conditionMessage(e))
        NULL
      }
    )
    values[p$name] <- list(value)
  }
  if (length(problems)) mf_abort(paste(problems, collapse = "\n"), "metaflow_parameter_error")
  values
}

computed_default <- function(p, context) {
  arguments <- if (length(formals(args(p$default)))) list(c(context, parameter_name = p$name)) else list()
  tryCatch(do.call(p$default, arguments), error = function(e) {
    mf_abort(sprintf("The default of parameter '%s' cannot be computed: %s", p$name, conditionMessage(e)), "metaflow_parameter_error")
  })
}

convert_parameter <- function(value, p) {
  if (is.logical(value) && length(value) && all(is.na(value))) return(missing_of_type(value, p$type))
  if (is_string(value)) return(if (is.null(p$separator)) read_typed(value, p) else read_separated(value, p))
  fits <- switch(p$type %||% "any",
    int = is.numeric(value) && all(is.na(value) | value == trunc(value)),
    float = is.numeric(value),
    str = is.character(value),
    bool = is.logical(value),
    date = inherits(value, c("Date", "POSIXt")),
    TRUE
  )
  if (!fits) parameter_type_error(value, p)
  switch(p$type %||% "any",
    int = if (is.double(value) && all(is.na(value) | abs(value) <= .Machine$integer.max)) restore_names(as.integer(value), value) else value,
    float = restore_names(as.numeric(value), value),
    date = as.Date(value),
    value
  )
}

# NA is logical in R, and the missing value of every type.
missing_of_type <- function(value, type) {
  switch(type %||% "any",
    int = restore_names(as.integer(value), value),
    float = restore_names(as.numeric(value), value),
    str = restore_names(as.character(value), value),
    date = as.Date(value),
    value
  )
}

# Nothing after the last separator is an empty part, too; strsplit() drops it.
read_separated <- function(text, p) {
  parts <- if (nzchar(text)) strsplit(paste0(text, p$separator), p$separator, fixed = TRUE)[[1]]
  values <- lapply(parts, read_typed, p = p)
  if (identical(p$type, "json")) return(values)
  none <- switch(p$type %||% "str", int = integer(), float = numeric(), bool = logical(), date = as.Date(character()), character())
  do.call(c, c(list(none), values))
}

restore_names <- function(x, from) {
  names(x) <- names(from)
  x
}

# A string, from the command line or a session, as a value of the parameter's type.
read_typed <- function(text, p) {
  number <- suppressWarnings(as.numeric(text))
  value <- switch(p$type %||% "str",
    str = text,
    int = if (!is.na(number) && number == trunc(number)) (if (abs(number) <= .Machine$integer.max) as.integer(number) else number),
    float = if (!is.na(number)) number,
    bool = c(true = TRUE, t = TRUE, yes = TRUE, `1` = TRUE, false = FALSE, f = FALSE, no = FALSE, `0` = FALSE)[tolower(text)],
    # as.Date() overlooks what follows a date.
    date = if (grepl("^[0-9]{4}[-/][0-9]{1,2}[-/][0-9]{1,2}$", trimws(text))) as.Date(trimws(text), optional = TRUE),
    json = tryCatch(list(jsonlite::fromJSON(text)), error = function(e) NULL)
  )
  if (is.null(value) || length(value) == 1L && !is.list(value) && is.na(value)) parameter_type_error(text, p)
  if (is.list(value)) value[[1]] else unname(value)
}

parameter_type_error <- function(value, p) {
  simple <- is.atomic(value) && is.null(attributes(value)) && length(value) == 1L
  shown <- if (simple) one_line(value) else sprintf("a value of class %s and length %d", class(value)[[1]], length(value))
  mf_abort(sprintf("Parameter '%s' wants a value of type %s, but got %s.", p$name, p$type, shown),
    "metaflow_parameter_error",
    switch(p$type,
      int = "Write a whole number.", float = "Write a number, as 0.5 or 1e-3.", str = "Write a text.", bool = "Write TRUE or FALSE.",
      date = "Write a date as 2024-12-31.", json = "Write JSON, as '{\"a\": [1, 2]}'."
    ))
}

# A value as it is shown of a run.
parameter_repr <- function(value) {
  if (inherits(value, "Date")) return(one_line(format(value)))
  one_line(value) %||% "NULL"
}
