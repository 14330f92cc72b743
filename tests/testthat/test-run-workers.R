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

# Said by a worker that has read its first order.
is_ready <- function(worker, init) {
  worker$process$write_input(paste0(json(init), "\n"))
  worker$process$poll_io(60000)
  parse_json(worker$process$read_output_lines(1))$t == "ready"
}

local_workers <- function(count, env = parent.frame()) {
  workers <- start_workers("fork", count)
  withr::defer(for (worker in workers) worker$process$kill_tree(), envir = env)
  workers
}

first_order <- function(folder) {
  write_value(list(format = 1L, functions = list(), globals = as_object(list()), packages = character(), reached = list()), file.path(folder, "code"))
  list(op = "init", code = file.path(folder, "code"), blobs = folder, parameters = as_object(list()), current = list(flow_name = "F", run_id = "1"))
}

test_that("the last of as many workers as there are cores starts when the first is warm", {
  skip_on_os("windows")
  init <- first_order(withr::local_tempdir())
  workers <- local_workers(max(2L, default_workers()))
  expect_true(is_ready(workers[[length(workers)]], init))
  expect_true(is_ready(workers[[1]], init))
})

test_that("it starts as well when the first one dies", {
  skip_on_os("windows")
  workers <- local_workers(max(2L, default_workers()))
  workers[[1]]$process$kill()
  expect_true(is_ready(workers[[length(workers)]], first_order(withr::local_tempdir())))
})

test_that("only the cores that this process may use are counted", {
  expect_identical(count_in_ranges("0"), 1L)
  expect_identical(count_in_ranges("0-3"), 4L)
  expect_identical(count_in_ranges("0-1,4,8-10"), 6L)
  skip_if(Sys.which("taskset") == "" || !file.exists("/proc/self/status"))
  one <- processx::run("taskset", c("-c", "0", file.path(R.home("bin"), "Rscript"), "--vanilla", "-e", "cat(metaflow:::default_workers())"), env = c("current", worker_environment()))
  expect_identical(one$stdout, "1")
})
