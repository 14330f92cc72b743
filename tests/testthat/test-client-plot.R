test_that("a run is drawn as a graph and on its time line, whatever became of it", {
  local_browsed()
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  for (pathspec in c("ShopFlow/1", "ShopFlow/2", "RoughFlow/1")) {
    run <- run_client$new(pathspec)
    expect_identical(plot(run), run)
    expect_silent(plot(run, type = "timeline"))
  }
  run <- run_client$new("ShopFlow/1")
  expect_silent(plot(run, direction = "down", main = ""))
  expect_snapshot(error = TRUE, plot(run, type = "gantt"))
  expect_snapshot(error = TRUE, plot(run, type = "timelin"))
})

test_that("what stands on the card of a step", {
  row <- function(...) {
    utils::modifyList(list(step = "fit", status = "done", tasks = 1L, done = 1L, caught = 0L, failed = 0L, cloned = 0L, seconds = 2.5, stored_bytes = 4e6), list(...))
  }
  expect_identical(run_card_lines(row()), "2.5 s, 4 MB")
  expect_identical(run_card_lines(row(tasks = 9L, done = 6L, failed = 1L, cloned = 2L)), c("9 tasks, 1 failed, 2 taken over", "2.5 s, 4 MB"))
  expect_identical(run_card_lines(row(tasks = 0L, status = "not needed")), "not needed")
  expect_identical(run_card_lines(row(seconds = NA_real_, stored_bytes = 0)), "")
  expect_identical(run_card_parts(row(tasks = 9L, done = 6L, caught = 1L, failed = 1L, cloned = 2L)), c(done = 5L, caught = 1L, cloned = 2L, failed = 1L))
  expect_identical(card_looks("not needed"), "waiting")
})
