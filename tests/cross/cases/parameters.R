# Parameters arrive as typed on the command line, in every step, and cannot be changed.
expected <- list(
  number = 3L, ratio = 0.5, text = "hello -- world_v1.csv", chosen = TRUE, left = "as it was",
  words = c("a", "b"), setting = list(a = 1:2, b = NULL), user = "bob"
)

check <- function(from) {
  for (name in names(expected)) {
    if (!isTRUE(all.equal(from[[name]], expected[[name]]))) {
      stop(name, " is ", deparse(from[[name]]), ", not ", deparse(expected[[name]]))
    }
  }
}

list(
  parameters = function(flow) {
    flow %>%
      parameter("number", type = "int", required = TRUE) %>%
      parameter("ratio", default = 0.1) %>%
      parameter("text", default = "") %>%
      parameter("chosen", type = "bool", default = FALSE, is_flag = TRUE) %>%
      parameter("left", default = "as it was") %>%
      parameter("words", separator = ",", default = "x") %>%
      parameter("setting", type = "json") %>%
      parameter("user", default = "alice")
  },
  join = function(self, inputs) {
    lapply(inputs, check)
    merge_artifacts(self, inputs)
    check(self)
  },
  all = function(self, inputs) {
    check(self)
    problem <- tryCatch(self$number <- 4L, error = identity)
    stopifnot(inherits(problem, "metaflow_attribute_error"), grepl("read-only", conditionMessage(problem)))
    check(self)
  }
)
