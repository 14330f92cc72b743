test_that("current() answers for every fact", {
  local_task(current = list(tags = c("a", "b"), retry_count = 0L, origin_run_id = NULL, username = "alice"))
  expect_identical(current("run_id"), "1")
  expect_identical(current("pathspec"), "F/1/s/9")
  expect_identical(current("tags"), c("a", "b"))
  expect_identical(current("retry_count"), 0L)
  expect_null(current("origin_run_id"))
  expect_identical(current()$username, "alice")
})

test_that("unknown facts and use outside of a step are refused", {
  local({
    local_task()
    expect_snapshot(error = TRUE, {
      current("runid")
      current("weather")
      current(1)
      current(c("run_id", "task_id"))
    })
  })
  expect_snapshot(error = TRUE, current("run_id"))
})
