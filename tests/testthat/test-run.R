# run() in a session: in this process, which testthat drives, so the command line is not looked at.

quiet_run <- function(flow, ...) {
  utils::capture.output(result <- run(flow, ...))
  result
}

small_flow <- function() {
  metaflow("SmallFlow") %>%
    parameter("alpha", default = 0.5) %>%
    parameter("tag", default = "none") %>%
    step(step = "start", next_step = "end", r_function = function(self) {
      if (self$alpha < 0) stop("alpha is negative")
      self$x <- self$alpha * 2
    }) %>%
    step(step = "end")
}

test_that("a run that succeeds returns 0, invisibly, which carries the run", {
  local_flow_folder()
  utils::capture.output(expect_invisible(result <- run(small_flow(), alpha = 2)))
  expect_true(result == 0)
  expect_identical(as.integer(result), 0L)
  expect_identical(result$pathspec, "SmallFlow/1")
  expect_identical(result$run_id, "1")
  expect_identical(result$status, 0L)
  expect_null(result$error)
  expect_s3_class(result$run, "metaflow_run_client")
  expect_identical(result$run$artifact("x"), 4)
  expect_snapshot(result)
  expect_snapshot(error = TRUE, result$artifacts)
})

test_that("a run that fails is an error with the R call stack, which carries the run", {
  local_flow_folder()
  expect_error(quiet_run(small_flow(), alpha = -1), class = "metaflow_run_error")
  e <- tryCatch(quiet_run(small_flow(), alpha = -1), metaflow_run_error = identity)
  expect_match(conditionMessage(e), "Run SmallFlow/2 failed in step 'start' (task SmallFlow/2/start/1).\nError in start(self): alpha is negative\nCall stack, innermost first:", fixed = TRUE)
  expect_match(conditionMessage(e), "continue with resume", fixed = TRUE)
  expect_no_match(conditionMessage(e), "Traceback|[.]py")
  expect_identical(e$run, "SmallFlow/2")
  expect_identical(e$data$cause, "error")
})

test_that("parameters of R keep what they are, also when they are called as an option", {
  local_flow_folder()
  result <- quiet_run(small_flow(), alpha = 3L, tag = "mine", seed = 3, max_workers = 1)
  expect_identical(result$run$artifact("x"), 6)
  expect_identical(result$run$parameters, list(alpha = 3, tag = "mine"))
  any_value <- metaflow("AnyFlow") %>% parameter("value") %>%
    step(step = "start", next_step = "end", r_function = function(self) self$seen <- self$value) %>% step(step = "end")
  for (value in list(mtcars, NULL, function(x) x + 1, "007", list(a = NULL))) {
    seen <- quiet_run(any_value, value = value)$run$artifact("seen")
    if (is.function(value)) expect_identical(seen(1), 2) else expect_identical(seen, value)
  }
})

test_that("wrong arguments of run() are refused before anything runs", {
  folder <- local_flow_folder()
  flow <- small_flow()
  expect_snapshot(error = TRUE, {
    run(flow, 0.5)
    run(flow, alhpa = 1)
    run(flow, max_worker = 1)
    run(flow, xylophone = 1)
    run(flow, alpha = "much")
    run(flow, max_workers = 0)
    run(flow, max_workers = "two")
    run(flow, max_workers = NA)
    run(flow, max_workers = c(1, 2))
    run(flow, max_num_splits = -1)
    run(flow, seed = "now")
    run(flow, seed = NA)
    run(flow, seed = 1.5)
    run(flow, isolation = "spoon")
    run(flow, isolation = c("fork", "fresh"))
    run(flow, with = "retyr")
    run(flow, with = 3)
    run(metaflow("TagFlow"), tag = "")
    run(metaflow("TagFlow"), tag = c("a", NA))
    run(flow, run_id_file = "nowhere/id")
    run(flow, namespace = NULL, package_suffixes = 1)
    run(flow, datastore = "s4")
    run(flow, resume = "strat")
    run(flow, resume = TRUE, alpha = 1)
    run(flow, other_args = "--xylophone 1")
    run(flow, wait = "no")
    run(metaflow("EmptyFlow"))
  })
  expect_false(dir.exists(file.path(folder, "store", "flows")))
})

test_that("what cannot be captured is refused with the cure", {
  folder <- local_flow_folder()
  unloadable <- local({
    broken <- structure(list(), class = "x")
    delayedAssign("lazy", stop("this value cannot be had"))
    function(self) lazy
  })
  flow <- metaflow("LazyFlow") %>% step(step = "start", next_step = "end", r_function = unloadable) %>% step(step = "end")
  e <- suppressWarnings(tryCatch(quiet_run(flow), error = identity))
  expect_s3_class(e, "metaflow_invalid_flow_error")
  expect_match(conditionMessage(e), "The code of the flow cannot be captured: this value cannot be had", fixed = TRUE)
})

test_that("with, tag, run_id_file and datastore_root are options of R, too", {
  folder <- local_flow_folder()
  flow <- metaflow("OptionsFlow") %>%
    step(step = "start", next_step = "end", r_function = function(self) {
      self$count <- current("retry_count")
      if (current("retry_count") == 0) stop("once")
    }) %>%
    step(step = "end")
  elsewhere <- file.path(folder, "elsewhere")
  result <- quiet_run(flow, with = retry(times = 1, minutes_between_retries = 0), tag = c("a", "b"), run_id_file = "id", datastore_root = elsewhere)
  expect_identical(result$run$artifact("count"), 1L)
  expect_true(all(c("a", "b") %in% result$run$tags))
  expect_identical(readLines("id"), "1")
  expect_true(dir.exists(file.path(elsewhere, "flows", "OptionsFlow")))
  expect_false(dir.exists(file.path(folder, "store", "flows")))
})

test_that("a flow that is not driven by the command line is run by functions and tests", {
  flow <- small_flow()
  expect_false(in_script(flow))
  withr::local_envvar(TESTTHAT = NA)
  expect_identical(in_script(flow), !is.null(flow$script))
  withr::local_options(metaflow.command_line = FALSE)
  expect_false(in_script(flow))
})
