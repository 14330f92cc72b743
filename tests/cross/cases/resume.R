# A run that fails in the step CROSS_FAIL (in the last split of it). What each task computes depends on
# all before it and on its random numbers; notes.log tells which tasks ran.
remember <- function(self, earlier) {
  self$history <- c(earlier, sprintf("%s %.12f", place(self), stats::runif(1)))
  note(place(self))
}

fail_here <- function(self) {
  frames <- self$foreach_stack()
  is_last <- all(vapply(frames, function(frame) frame$index == frame$count - 1L, FALSE))
  if (Sys.getenv("CROSS_FAIL") == current("step_name") && is_last) stop("on purpose")
}

list(
  start = function(self, inputs) {
    fail_here(self)
    remember(self, NULL)
  },
  join = function(self, inputs) {
    fail_here(self)
    remember(self, unlist(gather_inputs(inputs, "history"), use.names = FALSE))
  },
  all = function(self, inputs) {
    fail_here(self)
    remember(self, self$history)
  }
)
