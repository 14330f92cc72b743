#' Add a step to a flow
#'
#' @param flow A flow, from [metaflow()].
#' @param ... Decorators: [decorator()], [retry()], [catch()], [timeout()], [resources()], ... They
#'   may stand before or after the named arguments.
#' @param step Name of the step. A flow begins in `"start"` and finishes in `"end"`.
#' @param r_function The function that does the work: `function(self)`, or `function(self, inputs)`
#'   in a join. See [self] and [inputs]. Without one the step passes artifacts on; a join without
#'   one takes over all artifacts that do not conflict.
#' @param foreach Name of an artifact. The next step runs once for each of its elements (rows of a
#'   data frame); `self$input` has the element.
#' @param join `TRUE` for the step that brings the tasks of a branch or foreach together.
#' @param next_step Name of the next step; several names make a branch. `NULL` only in `"end"`. A
#'   named list with `condition` makes a switch: `next_step = list(yes = "a", no = "b")`.
#' @param condition Name of the artifact whose value chooses a case of `next_step`.
#' @return The flow with the step added.
#' @export
#' @examples
#' metaflow("BranchFlow") %>%
#'   step(step = "start", next_step = c("a", "b")) %>%
#'   step(step = "a", next_step = "join") %>%
#'   step(step = "b", next_step = "join") %>%
#'   step(step = "join", join = TRUE, next_step = "end") %>%
#'   step(step = "end")
step <- function(flow, ..., step, r_function = NULL, foreach = NULL, join = FALSE, next_step = NULL, condition = NULL) {
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
  check_optional_string(foreach, "foreach", where)
  check_optional_string(condition, "condition", where)
  if (!is.logical(join) || length(join) != 1L || is.na(join)) {
    mf_abort(sprintf("join of %s must be TRUE or FALSE.", where), "metaflow_invalid_flow_error", "Write join = TRUE.")
  }
  cases <- switch_cases(next_step, condition, where)
  with_step(flow, list(
    name = step, r_function = r_function, foreach = foreach, join = join,
    next_step = if (is.null(cases)) next_step else unique(unlist(cases, use.names = FALSE)),
    condition = condition, cases = cases, decorators = collect_decorators(list(...), "step", where)
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
    language = "r",
    `next` = I(as.character(step$next_step)),
    foreach = step$foreach,
    join = step$join,
    has_function = !is.null(f),
    arity = if (is.null(f) || "..." %in% wanted) NULL else length(wanted),
    switch = if (is.null(step$cases)) NULL else list(condition = step$condition, cases = step$cases),
    line = NULL,
    decorators = lapply(step$decorators, decorator_spec)
  )
}
