# 100 MB are assigned once and passed on through fifty steps, which neither read nor write them.
library(metaflow)
names <- sprintf("pass%02d", 1:50)
flow <- metaflow("Pass") %>%
  step(step = "start", next_step = names[[1]], r_function = function(self) self$value <- runif(1e8 / 8))
for (i in seq_along(names)) {
  flow <- step(flow, step = names[[i]], next_step = c(names, "end")[[i + 1]], r_function = function(self) NULL)
}
flow %>% step(step = "end") %>% run()
