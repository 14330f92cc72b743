foreach_script <- '
scale <- 2
work <- function(x) x * scale
metaflow("GridFlow") %>%
  parameter("upto", default = 3L) %>%
  step(step = "start", decorator("cache"), foreach = "grid", next_step = "fit", r_function = function(self) self$grid <- seq_len(self$upto)) %>%
  step(step = "fit", decorator("cache", on = c("code", "inputs")), next_step = "join", r_function = function(self) self$y <- work(self$input)) %>%
  step(step = "join", decorator("cache"), join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$sum <- sum(unlist(gather_inputs(inputs, "y")))
  }) %>%
  step(step = "end") %>%
  run()
'

test_that("a foreach runs its new elements only; every text is as people read it", {
  folder <- local_flow_folder()
  write_flow(folder, foreach_script)
  run_flow_well(folder)
  same <- run_flow_well(folder, "run", "--cache")
  more <- run_flow_well(folder, "run", "--upto", "5")
  expect_identical(run_client$new("GridFlow/3")$data$sum, 30)
  fits <- run_client$new("GridFlow/3")$steps$fit$tasks
  expect_identical(unname(vapply(fits, function(t) t$status, "")), rep(c("cloned", "done"), c(3, 2)))
  expect_identical(run_flow_well(folder, "run", "--no-cache")$status, 0L)
  expect_identical(run_client$new("GridFlow/4")$summary()$cloned, c(0L, 0L, 0L, 0L))
  expect_snapshot(put_lines(steady(grep("Not run again", c(same$lines, more$lines), value = TRUE))))
})
