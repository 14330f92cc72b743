# Every step that may fail does, in every task, and the flow goes on. Joins do not stop() but die.
# `steps`: what may have run before, of which one has.
expect_caught <- function(from, steps) {
  problem <- from$problem
  step <- steps[[1]]
  if (is_foreach(step) || is_switch(step)) {
    stopifnot(is.null(problem))
  } else if (graph[[step]]$join) {
    stopifnot(inherits(problem, "metaflow_crash_error"), inherits(problem, "error"))
  } else {
    stopifnot(inherits(problem, "simpleError"), conditionMessage(problem) %in% paste("on purpose in", steps))
  }
  # What the failed step had assigned is gone.
  stopifnot(!"assigned" %in% names(from))
}

previous <- function(name) Filter(function(step) name %in% unlist(graph[[step]][["next"]]), setdiff(names(graph), name))

# A step that decides is needed for the flow to go on.
decides <- function(self, inputs) {
  # A step before it, not an earlier turn of it.
  if (current("step_name") != "start" && !current("step_name") %in% unlist(graph[[current("step_name")]][["next"]])) {
    expect_caught(self, previous(current("step_name")))
  }
  self$problem <- NULL
}

list(
  decorators = function(step) if (is.null(step$foreach) && is.null(step$switch)) list(catch(var = "problem", print_exception = FALSE)),
  foreach_split = decides,
  switch = decides,
  join = function(self, inputs) {
    self$assigned <- TRUE
    for (i in seq_along(inputs)) {
      expect_caught(inputs[[i]], if (is.null(names(inputs))) previous(current("step_name")) else names(inputs)[[i]])
    }
    note(place(self))
    tools::pskill(Sys.getpid(), 9L)
  },
  all = function(self, inputs) {
    if (current("step_name") != "start") expect_caught(self, previous(current("step_name")))
    self$assigned <- TRUE
    note(place(self))
    stop("on purpose in ", current("step_name"))
  }
)
