# A flow that waits in its first step until the file "go" is there.
waiting_script <- '
metaflow("WaitFlow") %>%
  step(step = "start", next_step = "end", r_function = function(self) {
    cat("waiting\\n")
    message("file: go")
    while (!file.exists("go")) Sys.sleep(0.05)
    self$x <- 1
  }) %>%
  step(step = "end") %>%
  run()
'

# Starts it and returns when its first task has printed something.
start_waiting <- function(folder, env = parent.frame()) {
  write_flow(folder, waiting_script)
  withr::local_envvar(TESTTHAT = NA)
  process <- processx::process$new(file.path(R.home("bin"), "Rscript"), "flow.R", wd = folder, cleanup_tree = TRUE,
    stdout = "out.log", stderr = "2>&1")
  withr::defer(process$kill_tree(), envir = env)
  wait_until(any(grepl("waiting", tryCatch(run_client$new("WaitFlow/1")$loglines()$line, metaflow_error = function(e) ""))))
  process
}

wait_until <- function(condition, seconds = 60) {
  frame <- parent.frame()
  condition <- substitute(condition)
  until <- Sys.time() + seconds
  while (!isTRUE(eval(condition, frame))) {
    if (Sys.time() > until) stop("Waited in vain for ", deparse(condition))
    Sys.sleep(0.1)
  }
}

test_that("a run is seen while it goes on, and each look is new", {
  folder <- local_flow_folder()
  process <- start_waiting(folder)
  run <- run_client$new("WaitFlow/latest_run")
  expect_identical(run$status, "running")
  expect_false(run$finished)
  expect_false(run$successful)
  expect_identical(is.na(run$finished_at), TRUE)
  expect_null(run$end_task)
  expect_identical(run$artifacts, character())
  expect_gt(mf_runs("WaitFlow")$seconds, 0)

  task <- run$steps$start$a_task
  expect_identical(task$status, "running")
  expect_false(task$finished)
  expect_identical(as.character(task$stdout), "waiting\n")
  expect_null(task$exception)
  expect_error(task$artifact("x"), class = "metaflow_not_found_error")
  expect_identical(summary(run)$status, c("running", "not started"))
  expect_snapshot(transform = steady, {
    run
    run$steps
    task
  })
  expect_output(print(summary(run)), "tasks +1: 1 running")

  file.create(file.path(folder, "go"))
  wait_until(run$finished)
  expect_identical(run$status, "completed")
  expect_identical(run$data$x, 1)
  expect_identical(task$status, "done")
})

test_that("a run whose process was killed reads as lost", {
  folder <- local_flow_folder()
  process <- start_waiting(folder)
  process$kill()
  run <- run_client$new("WaitFlow/1")
  wait_until(run$status == "lost")
  expect_true(run$finished)
  expect_false(run$successful)
  expect_identical(run$steps$start$a_task$status, "lost")
  expect_identical(mf_runs("WaitFlow", where = list(status = "lost"))$run_id, "1")
  expect_identical(nrow(mf_runs("WaitFlow", where = list(status = "running"))), 0L)
  for (shown in list(run, mf_runs("WaitFlow"), flow_client$new("WaitFlow")$runs)) expect_output(print(shown), "failed (lost)", fixed = TRUE)
  expect_match(command_output(metaflow("WaitFlow"), "list")$lines, "failed (lost)", fixed = TRUE, all = FALSE)
  file.create(file.path(folder, "go"))
})
