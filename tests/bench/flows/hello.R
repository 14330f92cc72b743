library(metaflow)
metaflow("Hello") %>%
  step(step = "start", r_function = function(self) self$x <- "hello", next_step = "end") %>%
  step(step = "end", r_function = function(self) message(self$x)) %>%
  run()
