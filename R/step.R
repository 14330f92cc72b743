#' Add a step to a flow
#'
#' @param flow A flow, from [metaflow()].
#' @param ... Decorators: [decorator()], [retry()], [catch()], [timeout()], [resources()], ... They
#'   may stand before or after the named arguments.
#' @param step Name of the step. A flow begins in `"start"` and finishes in `"end"`.
#' @param r_function The function that does the work: `function(self)`, or `function(self, inputs)`
#'   in a join. See [self] and [inputs]. Without one the step passes artifacts on; a join without
#'   one takes over all artifacts that do not conflict.
#' @param py_function The function that does the work of a step in Python, in place of `r_function`: one
#'   string `"FILE.py:FUNCTION"`, with the file as seen from the folder of the script, or
#'   `"package.module:FUNCTION"`. See [python_steps].
#' @param foreach Name of an artifact. The next step runs once for each of its elements (rows of a
#'   data frame); `self$input` has the element.
#' @param join `TRUE` for the step that brings the tasks of a branch or foreach together.
#' @param next_step Name of the next step; several names make a branch. `NULL` only in `"end"`. A
#'   named list with `condition` makes a switch: `next_step = list(yes = "a", no = "b")`. A case may
#'   name the step itself: then the step runs again, until its condition says otherwise.
#' @param condition Name of the artifact whose value chooses a case of `next_step`: one text, number,
#'   `TRUE` or `FALSE`, date or factor level, written as [as.character()] writes it
#'   (`list("TRUE" = "a", "FALSE" = "b")`). A value that is not among the cases fails the step.
#' @param max_iterations How often a step that goes back to itself may run (default: 100). When that is
#'   not enough the run fails, and can be resumed with a higher limit.
#' @param on_error What the failure of a split does, for a step with `foreach`: `"stop"` (default) ends the run, as soon as
#'   the tasks that run have ended; `"continue"` goes on, and the join finds a [metaflow_failure] in the
#'   place of the split that failed. Other tasks of a split that failed are not started any more.
#' @param min_success The fraction of the splits that must succeed, as `0.95`: the run stops as soon as that
#'   is out of reach. It implies `on_error = "continue"`, which alone means 0.
#' @return The flow with the step added.
#' @export
#' @examples
#' metaflow("BranchFlow") %>%
#'   step(step = "start", next_step = c("a", "b")) %>%
#'   step(step = "a", next_step = "join") %>%
#'   step(step = "b", next_step = "join") %>%
#'   step(step = "join", join = TRUE, next_step = "end") %>%
#'   step(step = "end")
#'
#' metaflow("MostlyFlow") %>%
#'   step(
#'     step = "start", foreach = "files", min_success = 0.9, next_step = "read",
#'     r_function = function(self) self$files <- list.files("data")
#'   ) %>%
#'   step(step = "read", next_step = "join", r_function = function(self) self$rows <- read.csv(self$input)) %>%
#'   step(
#'     step = "join", join = TRUE, next_step = "end",
#'     r_function = function(self, inputs) {
#'       self$rows <- do.call(rbind, gather_inputs(succeeded(inputs), "rows"))
#'       self$problems <- failed(inputs)
#'     }
#'   ) %>%
#'   step(step = "end")
#'
#' metaflow("LoopFlow") %>%
#'   step(step = "start", next_step = "improve", r_function = function(self) self$x <- 1) %>%
#'   step(
#'     step = "improve", condition = "good", next_step = list("FALSE" = "improve", "TRUE" = "end"),
#'     r_function = function(self) {
#'       self$x <- self$x / 2
#'       self$good <- self$x < 0.01
#'     }
#'   ) %>%
#'   step(step = "end")
step <- function(flow, ..., step, r_function = NULL, foreach = NULL, join = FALSE, next_step = NULL, condition = NULL,
                 max_iterations = NULL, on_error = NULL, min_success = NULL, py_function = NULL) {
  check_flow_value(flow, "step")
  if (missing(step)) {
    mf_abort("step() needs the name of the step.", "metaflow_usage_error", "Write step(step = \"start\", ...).")
  }
  where <- sprintf("step '%s'", if (is.character(step)) step[[1]] else "?")
  check_name(step, "step")
  if (!is.null(r_function) && !is.function(r_function)) {
    mf_abort(sprintf("r_function of %s is not a function but of class %s.", where, class(r_function)[[1]]),
      "metaflow_invalid_flow_error", "Give the function itself: r_function = start, without parentheses or quotes.")
  }
  check_py_function(py_function, r_function, where)
  check_optional_string(foreach, "foreach", where)
  check_optional_string(condition, "condition", where)
  if (!is.logical(join) || length(join) != 1L || is.na(join)) {
    mf_abort(sprintf("join of %s must be TRUE or FALSE.", where), "metaflow_invalid_flow_error", "Write join = TRUE.")
  }
  cases <- switch_cases(next_step, condition, where)
  check_partial_success(on_error, min_success, foreach, where)
  check_max_iterations(max_iterations, cases, step, where)
  with_step(flow, list(
    name = step, r_function = out_of_pipe(r_function), py_function = py_function, foreach = foreach, join = join,
    next_step = if (is.null(cases)) next_step else unique(unlist(cases, use.names = FALSE)),
    condition = condition, cases = cases, max_iterations = max_iterations,
    on_error = on_error, min_success = min_success, decorators = collect_decorators(list(...), "step", where)
  ))
}

switch_cases <- function(next_step, condition, where) {
  named <- !is.null(names(next_step))
  if (is.null(condition) && !named) {
    if (!is.null(next_step) && (!is.character(next_step) || anyNA(next_step))) {
      mf_abort(sprintf("next_step of %s must be names of steps.", where), "metaflow_invalid_flow_error",
        "Write next_step = \"a\", or c(\"a\", \"b\") for a branch.")
    }
    return(NULL)
  }
  valid <- named && all(nzchar(names(next_step))) && all(vapply(next_step, function(x) is.character(x) && length(x) == 1L, FALSE))
  if (!valid || is.null(condition)) {
    mf_abort(sprintf("A switch in %s needs both named cases and a condition.", where), "metaflow_invalid_flow_error",
      "Write next_step = list(yes = \"a\", no = \"b\"), condition = \"ok\".")
  }
  as.list(next_step)
}

check_partial_success <- function(on_error, min_success, foreach, where) {
  invalid <- function(message, hint) mf_abort(message, "metaflow_invalid_flow_error", hint)
  if (!is.null(on_error) && !(is_string(on_error) && on_error %in% c("stop", "continue"))) {
    invalid(sprintf("on_error of %s must be \"stop\" or \"continue\", not %s.", where, shown_value(on_error)), "Write on_error = \"continue\".")
  }
  if (!is.null(min_success) && !(is.numeric(min_success) && length(min_success) == 1L && isTRUE(min_success >= 0 && min_success <= 1))) {
    invalid(sprintf("min_success of %s must be a fraction from 0 to 1, not %s.", where, shown_value(min_success)),
      "Write min_success = 0.95 when 5 of 100 splits may fail.")
  }
  if (identical(on_error, "stop") && isTRUE(min_success < 1)) {
    invalid(sprintf("%s has min_success = %s, but on_error = \"stop\" stops at the first failure.", where, format(min_success)),
      "Write on_error = \"continue\", or leave it out.")
  }
  if (is.null(foreach) && !(is.null(on_error) && is.null(min_success))) {
    invalid(sprintf("%s has %s, but no foreach whose splits could fail.", where, if (is.null(on_error)) "min_success" else "on_error"),
      "Give it to the step with the foreach; for one step there is catch(var = \"problem\").")
  }
}

check_max_iterations <- function(limit, cases, step, where) {
  if (is.null(limit)) return(invisible())
  if (!is_whole(limit) || limit < 1) {
    mf_abort(sprintf("max_iterations of %s must be a whole number from 1, not %s.", where, shown_value(limit)),
      "metaflow_invalid_flow_error", "Write max_iterations = 100, or leave it out.")
  }
  if (!step %in% unlist(cases)) {
    mf_abort(sprintf("%s has max_iterations, but does not go back to itself.", where), "metaflow_invalid_flow_error",
      sprintf("Write next_step = list(again = \"%s\", done = \"end\"), condition = \"...\".", step))
  }
}

check_optional_string <- function(x, name, where) {
  if (is.null(x) || is.character(x) && length(x) == 1L && !is.na(x)) return(invisible())
  mf_abort(sprintf("%s of %s must be one string: the name of an artifact.", name, where), "metaflow_invalid_flow_error",
    sprintf("Assign the value in the step (self$x <- ...) and write %s = \"x\".", name))
}

step_spec <- function(step) {
  f <- step$r_function
  wanted <- if (is.null(f)) NULL else names(formals(args(f)))
  list(
    name = step$name,
    language = if (is.null(step$py_function)) "r" else "python",
    `next` = I(as.character(step$next_step)),
    foreach = step$foreach,
    join = step$join,
    has_function = !is.null(f) || !is.null(step$py_function),
    `function` = step$py_function,
    arity = if (is.null(f) || "..." %in% wanted) NULL else length(wanted),
    switch = if (is.null(step$cases)) NULL else list(condition = step$condition, cases = step$cases, max_iterations = step$max_iterations),
    line = NULL,
    on_error = step$on_error,
    min_success = step$min_success,
    decorators = lapply(step$decorators, decorator_spec)
  )
}
