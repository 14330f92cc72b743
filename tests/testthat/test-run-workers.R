# Whole runs with these workers are in test-run.R and tests/cross.

test_that("a worker is up before anything is asked of it, and ends with its input", {
  folder <- local_flow_folder()
  for (mode in c("fork", "fresh")) {
    worker <- start_workers(mode, 1L)[[1]]
    withr::defer(worker$process$kill_tree())
    ends <- worker_ends(worker)
    expect_true(worker$process$is_alive())
    expect_identical(ends$pid, worker$process$get_pid())
    expect_false(ends$stdin == ends$stdout)
    close_worker(worker)
    worker$process$wait(30000)
    expect_false(worker$process$is_alive())
  }
})

test_that("no more workers start than the machine has cores, or the user allows", {
  expect_identical(workers_to_start(NULL), default_workers())
  expect_identical(workers_to_start(1), 1L)
  expect_identical(workers_to_start(10000), default_workers())
  expect_length(start_workers("fork", 0L), 0L)
})
