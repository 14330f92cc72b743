# A flow whose step fails three calls deep, in a run of its own.
local_failed_run <- function(env = parent.frame()) {
  folder <- local_flow_folder(env)
  write_flow(folder, '
    scale_by <- function(rows, k) inner(rows, sum(rows$mpg) / k)
    inner <- function(rows, ratio) {
      secret <- Sys.getenv("MY_API_TOKEN")
      big <- runif(1e6)
      if (ratio > 10) stop("the ratio is too large")
      ratio
    }
    metaflow("DebugFlow") %>%
      parameter("k", default = 2) %>%
      step(step = "start", foreach = "cyls", next_step = "fit", r_function = function(self) {
        self$cars <- mtcars
        self$cyls <- c(4, 6)
      }) %>%
      step(step = "fit", next_step = "join", r_function = function(self) {
        self$drawn <- runif(1)
        if (self$input == 6) return(NULL)
        self$ratio <- scale_by(self$cars[self$cars$cyl == self$input, ], self$k)
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) stop("no ", inputs[[2]]$drawn)) %>%
      step(step = "end") %>%
      run()
  ')
  done <- run_flow(folder, env = c(MY_API_TOKEN = "supersecret1"))
  expect_identical(done$status, 1L)
  folder
}

test_that("a failed task is opened with what it had, and called once more", {
  local_failed_run()
  d <- mf_debug("DebugFlow/1/fit/2")
  expect_identical(d$self$k, 2)
  expect_identical(d$self[["cars"]], mtcars)
  expect_true(all(c("k", "cars", "cyls") %in% names(d$self)))
  expect_identical(d$input, 4)
  expect_identical(d$parameters, list(k = 2))
  expect_error(d$self$x <- 1, class = "metaflow_attribute_error")
  expect_s3_class(d$exception, "metaflow_task_error")
  expect_identical(vapply(d$frames, function(f) f$call, ""), c("fit(self)", "scale_by(self$cars[self$cars$cyl == self$input, ], self$k)", "inner(rows, sum(rows$mpg)/k)"))
  expect_identical(d$frame()$ratio, sum(mtcars$mpg[mtcars$cyl == 4]) / 2)
  expect_identical(d$frame(2)$k, 2)
  expect_error(d$frame(4), class = "metaflow_usage_error")
  expect_identical(d$eval(round(ratio) + self$k), round(d$frame()$ratio) + 2)
  expect_error(d$rerun(), "the ratio is too large")
  # The session is itself again.
  expect_null(metaflow:::the$task)
  expect_false(exists("scale_by", envir = globalenv()))
  expect_error(d$browse(), class = "metaflow_usage_error")
})

test_that("what is large, secret or not a plain value is described instead of kept", {
  local_failed_run()
  inner <- mf_debug("DebugFlow/1/fit/2")$frame()
  expect_s3_class(inner$secret, "metaflow_not_kept")
  expect_output(print(inner$secret), "environment variable that looks secret")
  expect_output(print(inner$big), "numeric, 8 MB")
  expect_s3_class(mf_debug("DebugFlow/1/fit/2")$frame(1)$self, "metaflow_not_kept")
  stored <- list.files(Sys.getenv("METAFLOW_DATASTORE_ROOT"), recursive = TRUE, full.names = TRUE)
  found <- vapply(stored, function(path) length(grepRaw("supersecret1", readBin(path, "raw", file.size(path)), fixed = TRUE)) > 0L, FALSE)
  expect_false(any(found))
})

test_that("a task that did not fail is not opened", {
  local_failed_run()
  e <- expect_error(mf_debug("DebugFlow/1/fit/3"), class = "metaflow_not_found_error")
  expect_match(conditionMessage(e), "did not fail", fixed = TRUE)
})

test_that("an opened task prints", {
  local_failed_run()
  expect_snapshot(transform = function(lines) sub("seed [0-9]+", "seed <n>", lines), mf_debug("DebugFlow/1/fit/2"))
  expect_snapshot(mf_debug("DebugFlow/1/fit/2")$self)
})

test_that("what cannot be opened says why", {
  local_browsed()
  expect_snapshot(error = TRUE, {
    mf_debug("ShopFlow/3/end/6")
    mf_debug("ShopFlow/3")
    mf_debug("ShopFlow/1/quote/99")
  })
})

test_that("a task whose error was caught is opened like one that failed, also when a later run took it over", {
  folder <- local_flow_folder()
  write_flow(folder, '
    half <- function(n) if (n %% 2 == 1) stop("odd") else n / 2
    metaflow("CaughtFlow") %>%
      step(step = "start", foreach = "xs", next_step = "halve", r_function = function(self) self$xs <- c(4, 5, 6)) %>%
      step(catch(var = "problem"), step = "halve", next_step = "join", r_function = function(self) {
        self$seen <- self$input
        if (self$input == 6) tools::pskill(Sys.getpid(), 9L)
        self$half <- half(self$input)
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) NULL) %>%
      step(step = "end", r_function = function(self) if (!file.exists("mended")) stop("not yet")) %>%
      run()
  ')
  expect_identical(run_flow(folder)$status, 1L)
  file.create(file.path(folder, "mended"))
  run_flow_well(folder, "resume")
  for (run in c("CaughtFlow/1", "CaughtFlow/2")) {
    d <- mf_debug(file.path(run, "halve/3"))
    expect_identical(d$input, 5)
    expect_identical(d$frame()$n, 5)
    expect_match(conditionMessage(d$exception), "odd", fixed = TRUE)
    expect_error(d$rerun(), "odd")
  }
  killed <- mf_debug("CaughtFlow/1/halve/4")
  expect_identical(killed$input, 6)
  expect_length(killed$frames, 0L)
  expect_identical(killed$eval(half(8)), 4)
  expect_error(mf_debug("CaughtFlow/1/halve/2"), "did not fail", class = "metaflow_not_found_error")
})
