#' Make a decorator of your own
#'
#' A decorator is code around a step: before it, after it, and when it fails. `step_decorator()` defines one; from then on
#' `decorator("name")` puts it on a step, as does the function that `step_decorator()` returns:
#'
#' ```r
#' timed <- step_decorator("timed", args = list(unit = "secs"),
#'   before = function(ctx) ctx$began <- Sys.time(),
#'   after = function(ctx) ctx$self$took <- as.numeric(Sys.time() - ctx$began, units = ctx$args$unit)
#' )
#' metaflow("TimedFlow") %>%
#'   step(timed(), step = "start", next_step = "end") %>%
#'   step(decorator("timed", unit = "mins"), step = "end")
#' ```
#'
#' The functions are captured like those of steps and run in the task. Their only argument, `ctx`, is an environment with
#'
#' * `self`, `inputs`: what the step sees, see [self] and [inputs] (`NULL` in a step that is no join). Artifacts can be read
#'   and assigned, before the step and after it.
#' * `args`: a list of the decorator's arguments
#' * `step`, `attempt` (from 0), `current`: the name of the step, and the facts of [current()] as a list
#' * `error`: the condition, in `on_error`; else `NULL`
#'
#' Whatever else is assigned to it (`ctx$began <- Sys.time()`) is there until the task ends. Each decorator of a step has a
#' `ctx` of its own.
#'
#' Several decorators enclose each other in the order in which they are written: the first one's `before` is the
#' first to run, its `after` and `on_error` the last. An error in `before` or `after` is an error of the step, with all that
#' follows from it ([retry()], [catch()]). `on_error` looks on: the error remains, and one of its own is a warning. It sees
#' R errors; a process that was killed has no time for it. Random numbers that `before` draws do not change those of the step.
#' Steps in Python cannot have such decorators; `--with` leaves these steps out.
#'
#' @param name Name of the decorator, other than those of the decorators that there are.
#' @param before,after,on_error Functions of `ctx`, or of nothing. At least one of them.
#' @param args The decorator's arguments with their defaults, as `list(level = "info")`.
#' @return Invisibly a function of the decorator's arguments, which makes a decorator for [step()].
#' @export
#' @examples
#' noisy <- step_decorator("noisy", args = list(word = "done"), after = function(ctx) message(ctx$args$word, " ", ctx$step))
#' metaflow("NoisyFlow") %>%
#'   step(noisy(word = "finished"), step = "start", next_step = "end") %>%
#'   step(decorator("noisy"), step = "end")
step_decorator <- function(name, before = NULL, after = NULL, on_error = NULL, args = list()) {
  if (missing(name)) {
    mf_abort("step_decorator() needs the name of the decorator.", "metaflow_usage_error", "Write step_decorator(\"timed\", before = function(ctx) ...).")
  }
  check_name(name, "decorator")
  if (!is.null(find_decorator(name))) {
    mf_abort(sprintf("There is a decorator '%s' already.", name), "metaflow_usage_error", "Choose another name.")
  }
  hooks <- list(before = before, after = after, on_error = on_error)
  for (hook in names(hooks)) check_decorator_hook(hooks[[hook]], hook, name)
  if (all(vapply(hooks, is.null, FALSE))) {
    mf_abort(sprintf("Decorator '%s' does nothing.", name), "metaflow_usage_error", "Give it before, after or on_error: functions of ctx.")
  }
  if (!is.list(args) || length(args) && (is.null(names(args)) || !all(nzchar(names(args))))) {
    mf_abort(sprintf("args of decorator '%s' must be a list with names.", name), "metaflow_usage_error",
      "Write args = list(level = \"info\"): the arguments and their defaults.")
  }
  the$user_decorators[[name]] <- c(list(name = name, defaults = args), hooks)
  invisible(function(...) decorator(name, ...))
}

check_decorator_hook <- function(f, hook, name) {
  if (is.null(f)) return(invisible())
  if (!is.function(f)) {
    mf_abort(sprintf("%s of decorator '%s' is not a function but of class %s.", hook, name, class(f)[[1]]), "metaflow_usage_error",
      sprintf("Write %s = function(ctx) ...", hook))
  }
  wanted <- setdiff(names(formals(args(f))), "...")
  needed <- Filter(function(a) identical(formals(args(f))[[a]], quote(expr = )), wanted)
  if (length(needed) > 1L) {
    mf_abort(sprintf("%s of decorator '%s' must take ctx, not %d arguments.", hook, name, length(wanted)), "metaflow_usage_error",
      sprintf("Write %s = function(ctx) ...", hook))
  }
}

# The decorator `name` of the user's, with these arguments; NULL when there is none.
user_decorator <- function(name, arguments) {
  definition <- the$user_decorators[[name]]
  if (is.null(definition)) return(NULL)
  unknown <- setdiff(names(arguments), names(definition$defaults))
  if (length(unknown)) {
    mf_abort(sprintf("Decorator '%s' has no argument '%s'.", name, unknown[[1]]), "metaflow_invalid_flow_error",
      did_you_mean(unknown[[1]], names(definition$defaults)) %||%
        sprintf("It has: %s.", if (length(definition$defaults)) paste(names(definition$defaults), collapse = ", ") else "none"))
  }
  structure(list(name = name, arguments = arguments, definition = definition), class = "metaflow_decorator")
}

is_user_decorator <- function(x) !is.null(x$definition)

# What travels with the code: for each step that has any, its decorators from the outermost one.
captured_decorators <- function(flow) {
  of_step <- lapply(flow$steps, function(step) {
    lapply(unname(Filter(is_user_decorator, step$decorators)), function(d) {
      c(d$definition[c("name", "before", "after", "on_error")], list(args = utils::modifyList(d$definition$defaults, d$arguments, keep.null = TRUE)))
    })
  })
  Filter(length, of_step)
}

place_decorators <- function(decorators, index) {
  lapply(decorators, lapply, function(d) lapply(d, function(part) if (is.function(part)) place_in_source(part, index) else part))
}

decorator_functions <- function(decorators) Filter(is.function, unlist(lapply(decorators, function(d) d[c("before", "after", "on_error")]), recursive = FALSE))

# Those of `--with` and run(with = ) that are the user's, put on every step in R that does not have them; the core does
# the same with the others, on all steps.
with_user_decorators <- function(flow, with) {
  if (inherits(with, "metaflow_decorator")) with <- list(with)
  if (!any(vapply(as.list(with), is_user_option, FALSE))) return(list(flow = flow, with = with))
  own <- vapply(with, is_user_option, FALSE)
  added <- lapply(with[own], decorator_from_option)
  steps <- lapply(flow$steps, function(step) {
    if (!is.null(step$py_function)) return(step)
    have <- vapply(step$decorators, function(d) d$name, "")
    step$decorators <- c(step$decorators, Filter(function(d) !d$name %in% have, added))
    step
  })
  list(flow = changed_flow(flow, steps = steps), with = with[!own])
}

is_user_option <- function(item) {
  if (inherits(item, "metaflow_decorator")) is_user_decorator(item) else is_string(item) && sub(":.*$", "", item) %in% names(the$user_decorators)
}
