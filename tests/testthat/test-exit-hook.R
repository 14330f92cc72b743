test_that("hooks run after the end is recorded, by how the run ended, with what stands beside the flow", {
  folder <- local_flow_folder()
  write_flow(folder, '
    greeting <- "dear"
    greet <- function(...) cat(greeting, ..., "\\n")
    metaflow("HookFlow") %>%
      parameter("fail", default = FALSE) %>%
      step(step = "start", next_step = "end", r_function = function(self) self$pid <- Sys.getpid()) %>%
      on_success(function(run) {
        greet(run$status, run$artifact("pid") != Sys.getpid())
        run$add_tag("good")
      }) %>%
      on_success(function() stop("on purpose")) %>%
      on_success(function() greet("the last one")) %>%
      on_failure(function(run) greet("failed:", conditionMessage(run$steps$end$a_task$exception))) %>%
      step(step = "end", r_function = function(self) if (self$fail) stop("the step broke")) %>%
      run()
  ')
  done <- run_flow(folder, "run")
  expect_identical(done$status, 0L)
  after <- done$lines[seq(grep("Run completed", done$lines) + 1L, length(done$lines))]
  expect_snapshot(writeLines(sub("^[0-9: -]+", "", after)))
  run <- flow_client$new("HookFlow")$latest_run
  expect_identical(run$status, "completed")
  expect_true("good" %in% run$tags)
  failed <- run_flow(folder, "run", "--fail", "TRUE")
  expect_identical(failed$status, 1L)
  expect_match(failed$stdout, "on_failure: dear failed: the step broke")
  expect_no_match(failed$stdout, "on_success")
})

test_that("a hook whose process dies changes nothing, and a session runs hooks, too", {
  folder <- local_flow_folder()
  flow <- metaflow("F") %>%
    step(step = "start", next_step = "end") %>%
    step(step = "end") %>%
    on_success(function() quit(status = 7))
  lines <- utils::capture.output(result <- run(flow))
  expect_true(result == 0L)
  expect_match(paste(lines, collapse = "\n"), "on_success: Warning: its process ended with status 7")
})

test_that("hooks stay with the flow, whatever is added after them", {
  flow <- metaflow("F") %>% on_failure(function(run) 1) %>% parameter("a") %>% step(step = "start")
  expect_length(flow$exit_hooks, 1)
  expect_length((metaflow("F") %>% step(step = "start"))$exit_hooks, 0)
  expect_snapshot(error = TRUE, {
    metaflow("F") %>% on_success("mail")
    metaflow("F") %>% on_failure()
    on_success(function(run) 1)
  })
})
