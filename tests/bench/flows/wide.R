library(metaflow)
metaflow("Wide") %>%
  parameter("n", default = 200L) %>%
  step(step = "start", r_function = function(self) self$xs <- seq_len(self$n), foreach = "xs", next_step = "task") %>%
  step(step = "task", r_function = function(self) self$y <- self$input * 2, next_step = "join") %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    began <- proc.time()[[3]]
    ys <- unlist(gather_inputs(inputs, "y"))
    self$gather_seconds <- proc.time()[[3]] - began
    self$total <- sum(ys)
  }) %>%
  step(step = "end", r_function = function(self) {
    if (file.exists("fail")) stop("asked to fail")
    stopifnot(self$total == self$n * (self$n + 1))
  }) %>%
  run()
