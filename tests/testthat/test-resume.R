# Resume as a user types it. That it gives the same as an undisturbed run, for every shape and from every
# step, is tests/cross.

counting_flow <- '
note <- function(self) cat(paste0(current("step_name"), "\\n"), file = "ran", append = TRUE)
metaflow("CountFlow") %>%
  parameter("alpha", default = 1) %>%
  step(step = "start", next_step = c("good", "bad"), r_function = function(self) {
    note(self)
    self$x <- self$alpha
    self$drawn <- runif(1)
  }) %>%
  step(step = "good", next_step = "join", r_function = function(self) { note(self); self$y <- "y" }) %>%
  step(step = "bad", next_step = "join", r_function = function(self) {
    note(self)
    if (!file.exists("mended")) stop("not mended")
    self$z <- "z"
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) { note(self); merge_artifacts(self, inputs) }) %>%
  step(step = "end", r_function = note) %>%
  run(max_workers = 2)
'

ran <- function(folder) {
  path <- file.path(folder, "ran")
  steps <- if (file.exists(path)) trimws(readLines(path)) else character()
  unlink(path)
  sort(steps)
}

test_that("resume takes over what is finished, runs the rest, and names its origin", {
  folder <- local_flow_folder()
  write_flow(folder, counting_flow)
  expect_identical(run_flow(folder, "run", "--alpha", "5", "--tag", "first")$status, 1L)
  expect_true(all(c("bad", "start") %in% ran(folder)))
  file.create(file.path(folder, "mended"))

  done <- run_flow_well(folder, "resume", "--tag", "second")
  again <- ran(folder)
  expect_true(all(c("bad", "end", "join") %in% again))
  expect_false("start" %in% again)
  run <- run_client$new("CountFlow/2")
  expect_identical(run$origin_run_id, "1")
  expect_identical(run$parameters$alpha, 5)
  expect_true("second" %in% run$tags)
  values <- lapply(stats::setNames(nm = c("x", "y", "z")), run$artifact)
  expect_identical(values, list(x = 5, y = "y", z = "z"))
  expect_identical(run$artifact("drawn"), run_client$new("CountFlow/1")$steps$start$a_task$artifact("drawn"))

  # A step that is named runs again, with all that follow it, though it was finished.
  run_flow_well(folder, "resume", "good")
  expect_identical(ran(folder), c("end", "good", "join"))
  expect_identical(run_client$new("CountFlow/3")$origin_run_id, "2")

  # Of a named origin; a finished run is taken over as a whole.
  run_flow_well(folder, "resume", "--origin-run-id", "2")
  expect_identical(ran(folder), character())
  expect_identical(run_client$new("CountFlow/4")$origin_run_id, "2")
  expect_identical(run_client$new("CountFlow/4")$artifact("z"), "z")
})

test_that("resume warns when the code of a step that it takes over has changed", {
  folder <- local_flow_folder()
  write_flow(folder, counting_flow)
  run_flow(folder)
  file.create(file.path(folder, "mended"))
  write_flow(folder, gsub("self$x <- self$alpha", "self$x <- self$alpha + 1", counting_flow, fixed = TRUE))
  done <- run_flow_well(folder, "resume")
  expect_match(done$stdout, "the code of step 'start' has changed, but its finished tasks are taken over as they are; 'resume start' runs it again", fixed = TRUE)
  expect_length(grep("Warning:", done$lines), 1)
  expect_identical(run_client$new("CountFlow/2")$artifact("x"), 1)
  # A comment is no change.
  write_flow(folder, gsub("self$y <- \"y\"", "# a comment\n self$y <- \"y\"", counting_flow, fixed = TRUE))
  expect_no_match(run_flow_well(folder, "resume", "--origin-run-id", "1")$stdout, "step 'good' has changed", fixed = TRUE)
})

test_that("what cannot be resumed is refused", {
  folder <- local_flow_folder()
  flow <- metaflow("ResumeFlow") %>% parameter("alpha", default = 1) %>%
    step(step = "start", next_step = "end", r_function = function(self) stop("always")) %>% step(step = "end")
  expect_snapshot(error = TRUE, resume(flow))
  utils::capture.output(expect_error(run(flow), class = "metaflow_run_error"))
  expect_snapshot(error = TRUE, {
    resume(flow, step = "strat")
    resume(flow, step = 1)
    resume(flow, origin_run_id = 9)
    resume(flow, origin_run_id = "last")
    resume(flow, alpha = 2)
    resume(flow, origin_run_id = c(1, 2))
  })
  expect_length(flow_client$new("ResumeFlow")$runs, 1)
})

test_that("a run that is still running is not resumed", {
  local_flow_folder()
  flow <- metaflow("BusyFlow") %>% step(step = "start", next_step = "end", r_function = function(self) Sys.sleep(60)) %>% step(step = "end")
  handle <- run(flow, wait = FALSE)
  expect_error(resume(flow), "Run 1 of 'BusyFlow' is still running", class = "metaflow_resume_error")
  handle$kill()
})
