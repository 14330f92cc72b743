# Memoised steps. What each task leaves depends on all before it and on its random numbers; notes.log tells which ran.
# CROSS_HOW says how the function of the step CROSS_CHANGE differs: in its code alone, or also in what it leaves.
remember <- function(self, earlier) {
  self$history <- c(earlier, sprintf("%s %.12f", place(self), stats::runif(1)))
  note(place(self))
}

list(
  decorators = function(step) list(decorator("cache")),
  changed = function(act) {
    force(act)
    more <- switch(Sys.getenv("CROSS_HOW"), values = "changed", code = NULL)
    how <- Sys.getenv("CROSS_HOW")
    function(self, inputs) {
      stopifnot(how %in% c("values", "code"))
      act(self, inputs)
      self$history <- c(self$history, more)
    }
  },
  start = function(self, inputs) remember(self, NULL),
  join = function(self, inputs) remember(self, unlist(gather_inputs(inputs, "history"), use.names = FALSE)),
  all = function(self, inputs) remember(self, self$history)
)
