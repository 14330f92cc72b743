# Every step that may fail does, in every task, and the flow goes on. Joins do not stop() but die.
expect_caught <- function(from, step) {
  problem <- from$problem
  if (is_foreach(step)) {
    stopifnot(is.null(problem))
  } else if (graph[[step]]$join) {
    stopifnot(inherits(problem, "metaflow_crash_error"), inherits(problem, "error"))
  } else {
    stopifnot(inherits(problem, "simpleError"), identical(conditionMessage(problem), paste("on purpose in", step)))
  }
  # What the failed step had assigned is gone.
  stopifnot(!"assigned" %in% names(from))
}

previous <- function(name) Filter(function(step) name %in% unlist(graph[[step]][["next"]]), names(graph))

list(
  decorators = function(step) if (is.null(step$foreach)) list(catch(var = "problem", print_exception = FALSE)),
  foreach_split = function(self, inputs) {
    for (step in previous(current("step_name"))) expect_caught(self, step)
    self$problem <- NULL
  },
  join = function(self, inputs) {
    self$assigned <- TRUE
    for (i in seq_along(inputs)) {
      step <- if (is.null(names(inputs))) previous(current("step_name")) else names(inputs)[[i]]
      expect_caught(inputs[[i]], step)
    }
    note(place(self))
    tools::pskill(Sys.getpid(), 9L)
  },
  all = function(self, inputs) {
    for (step in previous(current("step_name"))) expect_caught(self, step)
    self$assigned <- TRUE
    note(place(self))
    stop("on purpose in ", current("step_name"))
  }
)
