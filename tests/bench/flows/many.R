library(metaflow)
metaflow("Many") %>%
  step(step = "start", next_step = "end", r_function = function(self) {
    for (i in 1:1000) self[[paste0("x", i)]] <- i
    self$ready_at <- as.numeric(Sys.time())
  }) %>%
  step(step = "end", r_function = function(self) cat(sprintf("RESULT %.6f\n", self$ready_at))) %>%
  run()
