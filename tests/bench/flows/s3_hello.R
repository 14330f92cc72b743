library(metaflow)

metaflow("Hello") %>%
  step(step = "start", r_function = function(self) self$x <- 1:10, next_step = "end") %>%
  step(step = "end", r_function = function(self) self$y <- 2) %>%
  run()
