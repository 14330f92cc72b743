slow_flow <- function() {
  metaflow("Background") %>%
    parameter("a", default = 1) %>%
    step(step = "start", next_step = "end", r_function = function(self) {
      cat("begun\n")
      if (self$a > 10) Sys.sleep(60)
      self$x <- self$a * 2
    }) %>%
    step(step = "end")
}

test_that("a run in the background is waited for, read and printed", {
  local_flow_folder()
  handle <- run(slow_flow(), wait = FALSE, a = 4)
  expect_s3_class(handle, "metaflow_run_handle")
  expect_match(handle$pathspec, "^Background/1$")
  expect_identical(handle$wait(60), "completed")
  expect_identical(handle$run$artifact("x"), 8)
  expect_match(handle$logs(), "begun", all = FALSE)
  expect_output(print(handle), "Background/1: completed", fixed = TRUE)
})

test_that("a run in the background can be stopped, and is resumed", {
  local_flow_folder()
  handle <- run(slow_flow(), wait = FALSE, a = 40)
  expect_identical(handle$status(), "running")
  expect_identical(handle$wait(0), "running")
  expect_identical(handle$kill(), "interrupted")
})

test_that("what cannot run is an error here, not in the background", {
  local_flow_folder()
  expect_error(run(slow_flow(), wait = FALSE, b = 4), class = "metaflow_usage_error")
  broken <- metaflow("Broken") %>% step(step = "start", next_step = "nowhere")
  expect_error(run(broken, wait = FALSE), class = "metaflow_invalid_flow_error")
})

test_that("other_args are words of the command line", {
  flow <- slow_flow()
  expect_identical(with_other_args(flow, list(a = 1, other_args = "--a 3 --tag x --max-workers 2"))$a, "3")
  expect_identical(with_other_args(flow, list(other_args = "--max-workers 2"))$max_workers, 2)
  expect_error(with_other_args(flow, list(other_args = "--nope 2")), class = "metaflow_usage_error")
})
