library(metaflow)
metaflow("BootstrapFlow") %>%
  step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) self$xs <- 1:5) %>%
  step(step = "work", slurm(setup = "export BEGAN=$(date +%s.%N)"), next_step = "join", r_function = function(self) {
    cat("seconds:", as.numeric(Sys.time()) - as.numeric(Sys.getenv("BEGAN")), "\n")
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) NULL) %>%
  step(step = "end") %>%
  run()
