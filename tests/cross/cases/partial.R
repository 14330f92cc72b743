# The last split of every foreach fails, in its first step, and the run goes on without it; CROSS_MEND mends it.
ends_a_foreach <- function(step) graph[[step]]$join && is_foreach(closes[[step]])

# Does a task fail that is in this foreach and in none inside of it?
loses_one <- function(foreach) {
  any(vapply(names(graph), function(step) {
    identical(utils::tail(foreaches(step), 1L), foreach) && !ends_a_foreach(step)
  }, FALSE))
}

list(
  arguments = function(step) if (!is.null(step$foreach)) list(on_error = "continue"),
  foreach_join = function(self, inputs) {
    n <- length(inputs)
    lost <- if (loses_one(closes[[current("step_name")]]) && !nzchar(Sys.getenv("CROSS_MEND"))) n else integer()
    lost <- lost[lost > 0L]
    stopifnot(identical(which(vapply(inputs, inherits, FALSE, "metaflow_failure")), lost))
    stopifnot(length(succeeded(inputs)) == n - length(lost), length(failed(inputs)) == length(lost))
    for (problem in failed(inputs)) {
      stopifnot(problem$cause == "error", problem$message == "on purpose", "simpleError" %in% problem$class, problem$index == n - 1L)
      # The value that the split had.
      stopifnot(problem$input == utils::tail(splits[[closes[[current("step_name")]]]]$values, 1L))
      refused <- tryCatch(problem$history, error = identity)
      stopifnot(inherits(refused, "metaflow_attribute_error"), grepl("succeeded(inputs)", conditionMessage(refused), fixed = TRUE))
    }
    merge_artifacts(self, inputs, exclude = "history")
    self$history <- c(unlist(gather_inputs(succeeded(inputs), "history"), use.names = FALSE), place(self))
    note(place(self))
  },
  foreach_inner = function(self, inputs) {
    frames <- self$foreach_stack()
    frame <- frames[[length(frames)]]
    if (frame$index == frame$count - 1L && !nzchar(Sys.getenv("CROSS_MEND"))) stop("on purpose")
    if (!is.null(inputs)) merge_artifacts(self, inputs, exclude = "history")
    self$history <- c(if (is.null(inputs)) self$history else unlist(gather_inputs(inputs, "history")), place(self))
    note(place(self))
  },
  start = function(self, inputs) {
    self$history <- place(self)
    note(place(self))
  },
  branch_join = function(self, inputs) {
    self$history <- c(unlist(gather_inputs(inputs, "history"), use.names = FALSE), place(self))
    note(place(self))
  },
  all = function(self, inputs) {
    self$history <- c(self$history, place(self))
    note(place(self))
  }
)
