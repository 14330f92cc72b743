# The first attempt of every task goes wrong: by stop(), in joins by dying. The second one starts afresh, with the same
# random numbers. A decorator of the user's sees both, and the error between them.
watch <- function(what, ctx) note_in("watched.log", paste(place(ctx$self), ctx$attempt, what))

step_decorator("watch",
  before = function(ctx) watch("before", ctx),
  after = function(ctx) watch("after", ctx),
  on_error = function(ctx) {
    stopifnot(conditionMessage(ctx$error) == "on purpose")
    watch("error", ctx)
  }
)

attempt <- function(self) {
  note_in("numbers.log", sprintf("%s %.12f", place(self), stats::runif(1)))
  note(place(self))
  if (current("retry_count") == 0L) {
    self$leftover <- place(self)
    if (graph[[current("step_name")]]$join) tools::pskill(Sys.getpid(), 9L)
    stop("on purpose")
  }
  stopifnot(identical(current("retry_count"), 1L), !"leftover" %in% names(self))
}

list(
  decorators = function(step) list(retry(times = 2, minutes_between_retries = 0), decorator("watch")),
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
