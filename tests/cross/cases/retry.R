# The first attempt of every task goes wrong: by stop(), in joins by dying. The second one starts afresh.
attempt <- function(self) {
  note(place(self))
  if (current("retry_count") == 0L) {
    self$leftover <- place(self)
    if (graph[[current("step_name")]]$join) tools::pskill(Sys.getpid(), 9L)
    stop("on purpose")
  }
  stopifnot(identical(current("retry_count"), 1L), !"leftover" %in% names(self))
}

list(
  decorators = function(step) list(retry(times = 2, minutes_between_retries = 0)),
  start = function(self, inputs) {
    attempt(self)
    self$history <- place(self)
  },
  join = function(self, inputs) {
    attempt(self)
    self$history <- c(unlist(gather_inputs(inputs, "history"), use.names = FALSE), place(self))
  },
  all = function(self, inputs) {
    attempt(self)
    self$history <- c(self$history, place(self))
  }
)
