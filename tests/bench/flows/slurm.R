library(metaflow)
metaflow("SlurmFlow") %>%
  step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) self$xs <- 1:200) %>%
  step(step = "work", slurm(), next_step = "join", r_function = function(self) {
    Sys.sleep(0.2)
    self$y <- self$input
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) self$n <- length(inputs)) %>%
  step(step = "end") %>%
  run()
