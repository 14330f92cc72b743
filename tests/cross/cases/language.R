# What surrounds steps, on every shape: a configuration, an included file, a decorator of the user's and a hook at the end.
writeLines('{"deep": {"memory": 64}, "word": "hi"}', "settings.json")
writeLines(c("k,v", "1,a"), "table.csv")

step_decorator("around",
  args = list(mark = "none"),
  before = function(ctx) {
    stopifnot(ctx$attempt == 0L, ctx$step == current("step_name"), is.null(ctx$error), ctx$args$mark == "m64")
    stopifnot(is.null(ctx$inputs) != graph[[ctx$step]]$join)
    stats::runif(5)
    ctx$began <- place(ctx$self)
  },
  after = function(ctx) {
    stopifnot(identical(ctx$began, place(ctx$self)), ctx$self$seen == ctx$began)
    ctx$self$left <- paste("left by", ctx$step)
  }
)

act <- function(self, inputs) {
  stopifnot(identical(self$settings, list(deep = list(memory = 64L), word = "hi")), cfg("settings.word") == "hi")
  stopifnot(identical(cfg("settings.nothing", default = 1), 1), identical(self$table, data.frame(k = 1L, v = "a")))
  stopifnot(self$text == "k,v\n1,a\n", identical(Sys.getenv("DEEP"), "64"))
  self$seen <- place(self)
  self$random <- stats::runif(1)
  note(place(self))
}

list(
  parameters = function(flow) {
    flow %>%
      config("settings", default = "settings.json") %>%
      include_file("table", default = "table.csv", parser = utils::read.csv) %>%
      include_file("text", default = "table.csv") %>%
      on_success(function(run) cat("hook of", run$pathspec, run$status, "\n", file = "hook.log"))
  },
  decorators = function(step) {
    list(
      decorator("around", mark = "m64"), environment_variables(DEEP = cfg("settings.deep.memory")),
      resources(memory = cfg("settings.deep.memory"))
    )
  },
  all = act
)
