retry_script <- '
  metaflow("RetryFlow") %>%
    parameter("k", default = 2) %>%
    step(step = "start", foreach = "xs", next_step = "fit", r_function = function(self) {
      self$xs <- 1:3
      self$big <- 10
    }) %>%
    step(step = "fit", next_step = "join", r_function = function(self) {
      cat(paste("fits", self$input, "\n"), file = "fitted.txt", append = TRUE)
      if (self$input == 2 && !file.exists("mended")) stop("two is not liked")
      self$y <- self$input * self$big * self$k
    }) %>%
    step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) self$all <- unlist(gather_inputs(inputs, "y"))) %>%
    step(step = "end") %>%
    run()
'

test_that("one task is run again with what it had, and resume carries on with the earlier run", {
  folder <- local_flow_folder()
  write_flow(folder, retry_script)
  expect_identical(run_flow(folder, "run", "--k", "5")$status, 1L)
  expect_identical(run_flow(folder, "retry-task", "1/fit/3")$status, 1L)
  unlink("fitted.txt")
  file.create("mended")
  done <- run_flow_well(folder, "retry-task", "RetryFlow/1/fit/3")
  expect_match(done$stdout, "[3/fit/3] Done", fixed = TRUE)
  expect_identical(readLines("fitted.txt"), "fits 2 ")
  scratch <- run_client$new("RetryFlow/3")
  expect_identical(scratch$status, "completed")
  expect_identical(scratch$origin_run_id, "1")
  expect_identical(task_client$new("RetryFlow/3/fit/3")$artifact("y"), 100)
  # The newest run is the scratch run, but the one to resume is the first.
  done <- run_flow_well(folder, "resume")
  expect_match(done$stdout, "taken over from run 1", fixed = TRUE)
  expect_identical(run_client$new("RetryFlow/4")$artifact("all"), c(50, 100, 150))
})

test_that("a task that is not there, or is no task, is refused before anything runs", {
  folder <- local_flow_folder()
  write_flow(folder, retry_script)
  run_flow(folder)
  for (words in list("1/fit/99", "1/join/5", "1/nostep/2")) {
    done <- run_flow(folder, "retry-task", words)
    expect_identical(done$status, 1L)
  }
  expect_identical(run_flow(folder, "retry-task", "1/fit")$status, 2L)
  expect_identical(run_flow(folder, "retry-task")$status, 2L)
  expect_identical(run_flow(folder, "retry-task", "1/fit/3", "--k", "3")$status, 2L)
  expect_length(flow_client$new("RetryFlow")$runs, 1L)
})

test_that("in a session the flow and the task are given", {
  folder <- local_flow_folder()
  flow <- metaflow("SessionFlow") %>%
    step(step = "start", next_step = "end", r_function = function(self) self$x <- 1) %>%
    step(step = "end", r_function = function(self) self$y <- self$x + 1)
  utils::capture.output({
    first <- run(flow)
    again <- mf_retry_task(flow, first$run$end_task)
  })
  expect_identical(again$run$pathspec, "SessionFlow/2")
  expect_error(mf_retry_task(flow, "1/end"), class = "metaflow_usage_error")
  expect_error(mf_retry_task(flow, 7), class = "metaflow_usage_error")
})

test_that("wrong uses say what to write", {
  local_browsed()
  flow <- metaflow("ShopFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end")
  expect_snapshot(error = TRUE, {
    mf_retry_task(flow)
    mf_retry_task(flow, "OtherFlow/1/start/1")
    mf_retry_task(flow, "3/end")
    command_output(flow, "retry-task")
    command_output(flow, "retry-task", "3/start/77")
  })
})
