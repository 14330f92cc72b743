#' Start a flow
#'
#' A flow is a graph of steps. It is a plain value that describes what to do and does nothing until
#' [run()] performs it; add steps with [step()] and parameters with [parameter()].
#'
#' @param cls Name of the flow: letters, digits and underscores, starting with a letter.
#' @param ... Flow-level decorators, see [decorator()].
#' @return A flow, to be piped into [step()].
#' @export
#' @examples
#' metaflow("HelloFlow") %>%
#'   step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") %>%
#'   step(step = "end")
metaflow <- function(cls, ...) {
  if (missing(cls)) mf_abort("metaflow() needs the name of the flow.", "metaflow_usage_error", "Write metaflow(\"MyFlow\").")
  check_name(cls, "flow")
  decorators <- collect_decorators(list(...), "flow")
  Flow$new(cls, decorators, script_file())
}

# Verbs return a changed copy, so a flow built in two ways from a common stem stays two flows. The copy
# is a new object and not R6's clone(), which R would compile while the user's script waits (0.1 s).
Flow <- R6::R6Class("metaflow_flow",
  cloneable = FALSE,
  public = list(
    name = NULL,
    script = NULL,
    decorators = NULL,
    parameters = NULL,
    steps = NULL,
    exit_hooks = NULL,
    initialize = function(name, decorators = list(), script = NULL, parameters = list(), steps = list(), exit_hooks = list()) {
      self$name <- name
      self$decorators <- decorators
      self$script <- script
      self$parameters <- parameters
      self$steps <- steps
      self$exit_hooks <- exit_hooks
    },
    print = function(...) {
      print_flow(self)
      invisible(self)
    }
  )
)

with_step <- function(flow, step) changed_flow(flow, steps = appended(flow$steps, step))

with_parameter <- function(flow, parameter) changed_flow(flow, parameters = appended(flow$parameters, parameter))

changed_flow <- function(flow, decorators = flow$decorators, parameters = flow$parameters, steps = flow$steps, exit_hooks = flow$exit_hooks) {
  Flow$new(flow$name, decorators, flow$script, parameters, steps, exit_hooks)
}

appended <- function(items, item) {
  items[[length(items) + 1L]] <- item
  names(items)[length(items)] <- item$name
  items
}

# The flow as the Python core reads it (python/metaflow_core/graph/flow.py): data only, no code.
flow_spec <- function(flow) {
  if (has_open_configs(flow)) flow <- with_config_values(flow)
  list(
    format = 1L,
    name = flow$name,
    script = if (is.null(flow$script)) NULL else basename(flow$script),
    parameters = lapply(unname(flow$parameters), parameter_spec),
    decorators = lapply(flow$decorators, decorator_spec),
    steps = lapply(unname(flow$steps), step_spec)
  )
}

check_flow_value <- function(flow, verb) {
  if (inherits(flow, "metaflow_flow")) return(invisible())
  mf_abort(sprintf("%s() needs a flow, but got an object of class %s.", verb, class(flow)[[1]]), "metaflow_usage_error",
    sprintf("Write metaflow(\"MyFlow\") %%>%% %s(...).", verb))
}

check_name <- function(name, what) {
  if (is.character(name) && length(name) == 1L && !is.na(name) && grepl("^[A-Za-z][A-Za-z0-9_]*$", name)) return(invisible())
  shown <- if (is.character(name)) one_line(name) else sprintf("A value of class %s", class(name)[[1]])
  mf_abort(sprintf("%s is not a name for a %s.", shown, what), "metaflow_invalid_flow_error",
    "Use one string of letters, digits and underscores that starts with a letter.")
}
