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

test_that("a run is attached to, followed and stopped from elsewhere", {
  local_flow_folder()
  handle <- run(slow_flow(), wait = FALSE, a = 40)
  other <- mf_attach("Background/1")
  until <- Sys.time() + 30
  while (!any(grepl("begun", other$logs())) && Sys.time() < until) Sys.sleep(0.05)
  expect_identical(other$logs(), "begun")
  progress <- other$progress()
  expect_identical(progress$step, c("start", "end"))
  expect_identical(progress$status[[1]], "running")
  expect_identical(other$kill(), "interrupted")
  expect_identical(handle$status(), "interrupted")
  expect_identical(other$kill(), "interrupted")
  expect_error(mf_attach("Background/7"), class = "metaflow_not_found_error")
  handle <- run(slow_flow(), wait = FALSE, a = 4)
  followed <- utils::capture.output(status <- mf_attach(handle$run)$logs(follow = TRUE))
  expect_identical(status, "completed")
  expect_match(followed, "[start/1] begun", fixed = TRUE, all = FALSE)
})

test_that("a run that another machine drives is not stopped from here", {
  folder <- local_flow_folder()
  handle <- withr::with_envvar(c(METAFLOW_HOST_NAME = "elsewhere"), run(slow_flow(), wait = FALSE, a = 40))
  withr::defer(handle$kill())
  e <- expect_error(mf_attach(handle$pathspec)$kill(), class = "metaflow_backend_error")
  expect_match(conditionMessage(e), "from the machine 'elsewhere'", fixed = TRUE)
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

test_that("a handle prints what became of its run", {
  local_browsed()
  expect_snapshot({
    mf_attach("ShopFlow/3")
    mf_attach("ShopFlow/1")
    mf_attach("ShopFlow/1")$progress()
  })
  expect_snapshot(mf_attach("ShopFlow/9"), error = TRUE)
})
