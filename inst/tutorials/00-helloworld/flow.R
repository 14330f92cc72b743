# The smallest flow: two steps, one after the other.
#
#   Rscript flow.R run

library(metaflow)

start <- function(self) {
  self$greeting <- "Hello from R"
}

end <- function(self) {
  message(self$greeting, ", says run ", current("run_id"))
}

metaflow("HelloWorldFlow") %>%
  step(
    step = "start",
    r_function = start,
    next_step = "end"
  ) %>%
  step(
    step = "end",
    r_function = end
  ) %>%
  run()
