library(metaflow)
metaflow("Branch") %>%
  step(step = "start", r_function = function(self) self$x <- 1, next_step = c("a", "b")) %>%
  step(step = "a", r_function = function(self) self$y <- self$x + 1, next_step = "join") %>%
  step(step = "b", r_function = function(self) self$y <- self$x + 2, next_step = "join") %>%
  step(step = "join", r_function = function(self, inputs) self$total <- inputs$a$y + inputs$b$y, join = TRUE, next_step = "end") %>%
  step(step = "end", r_function = function(self) print(self$total)) %>%
  run()
