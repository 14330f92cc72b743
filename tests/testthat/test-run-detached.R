# Detached runs themselves need a Slurm: tests/slow/test_detached.py. Here is what is refused before anything is written.

any_flow <- function() {
  metaflow("DetachedFlow") %>% step(step = "start", next_step = "end", r_function = function(self) self$x <- 1) %>% step(step = "end")
}

test_that("what cannot keep the scheduler of a run is refused, and nothing is written", {
  folder <- local_flow_folder()
  expect_snapshot(error = TRUE, run(any_flow(), detach = 3))
  expect_snapshot(error = TRUE, run(any_flow(), detach = retry(times = 2)))
  expect_false(dir.exists(file.path(folder, "store", "flows")))
})

test_that("a run is detached where that was said", {
  expect_false(is_detached(NULL))
  expect_false(is_detached(FALSE))
  expect_true(is_detached(TRUE))
  expect_true(is_detached(slurm(time = 600)))
})
