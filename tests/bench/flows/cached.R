library(metaflow)
score <- function(x, weights) sum(x * weights)
metaflow("Cached") %>%
  parameter("n", default = 200L) %>%
  step(step = "start", decorator("cache"), foreach = "grid", next_step = "fit", r_function = function(self) {
    self$grid <- seq_len(self$n)
    self$weights <- runif(100)
  }) %>%
  step(step = "fit", decorator("cache"), next_step = "join", r_function = function(self) self$score <- score(self$input, self$weights)) %>%
  step(step = "join", decorator("cache"), join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$best <- max(unlist(gather_inputs(inputs, "score")))
  }) %>%
  step(step = "end", decorator("cache"), r_function = function(self) cat("best", self$best, "\n")) %>%
  run()
