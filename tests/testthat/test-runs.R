test_that("runs are a data frame, newest first", {
  local_browsed()
  runs <- mf_runs()
  expect_s3_class(runs, "data.frame")
  expect_named(runs, c("flow", "run_id", "status", "successful", "created_at", "finished_at", "seconds", "user", "tags",
    "origin_run_id", "pathspec"))
  expect_identical(runs$pathspec, c("RoughFlow/1", "ShopFlow/3", "ShopFlow/2", "ShopFlow/1"))
  expect_identical(runs$status, c("failed", "completed", "completed", "failed"))
  expect_identical(runs$successful, c(FALSE, TRUE, TRUE, FALSE))
  expect_s3_class(runs$created_at, "POSIXct")
  expect_equal(runs$seconds, as.numeric(runs$finished_at - runs$created_at, units = "secs"))
  expect_identical(runs$tags, list(character(), c("good", "weekly"), character(), character()))
  expect_identical(runs$origin_run_id, c(NA, NA, "1", NA))
})

test_that("runs are chosen by conditions", {
  local_browsed()
  chosen <- function(...) mf_runs("ShopFlow", where = list(...))$run_id
  expect_identical(chosen(status = "failed"), "1")
  expect_identical(chosen(status = c("failed", "completed")), c("3", "2", "1"))
  expect_identical(chosen(tags = "good"), "3")
  expect_identical(chosen(tags = c("good", "user:tester")), "3")
  expect_identical(chosen(tags = c("good", "bad")), character())
  expect_identical(chosen(user = "bob"), character())
  expect_identical(chosen(origin_run_id = 1), "2")
  expect_identical(chosen(origin_run_id = run_client$new("ShopFlow/1")), "2")
  expect_identical(chosen(after = Sys.Date() - 1, before = Sys.time()), c("3", "2", "1"))
  expect_identical(chosen(after = Sys.Date() + 1), character())
  expect_identical(chosen(before = "2026-01-01"), character())
  expect_identical(chosen(after = run_client$new("ShopFlow/2")$created_at), c("3", "2"))
  expect_identical(mf_runs(where = list(namespace = "user:bob"))$pathspec, "OtherFlow/1")
  expect_identical(nrow(mf_runs(where = list(namespace = NULL))), 5L)
  expect_identical(mf_runs("ShopFlow", limit = 2)$run_id, c("3", "2"))
  expect_identical(nrow(mf_runs(limit = 0)), 0L)
  expect_identical(mf_runs(flow_client$new("ShopFlow"))$run_id, c("3", "2", "1"))
})

test_that("no runs are a data frame without rows, with the same columns", {
  local_browsed()
  none <- mf_runs("ShopFlow", where = list(tags = "none"))
  expect_identical(vapply(none, function(x) class(x)[[1]], ""), vapply(mf_runs(), function(x) class(x)[[1]], ""))
  expect_identical(nrow(none), 0L)
})

test_that("conditions that nobody knows are refused", {
  local_browsed()
  expect_snapshot(error = TRUE, transform = steady, {
    mf_runs("ShoppFlow")
    mf_runs(where = list(tag = "good"))
    mf_runs(where = list(status = "successful"))
    mf_runs(where = "failed")
    mf_runs(where = list("failed"))
    mf_runs(where = list(after = "yesterday"))
    mf_runs(where = list(after = 12))
    mf_runs(limit = "many")
    mf_runs(limit = -1)
  })
})

test_that("a date is midnight of the local time zone", {
  withr::local_envvar(TZ = "America/New_York")
  expect_identical(moment_seconds(as.Date("2026-01-31"), "after"), as.numeric(as.POSIXct("2026-01-31 00:00", tz = "America/New_York")))
  expect_identical(moment_seconds("2026-01-31 12:00", "after"), as.numeric(as.POSIXct("2026-01-31 12:00", tz = "America/New_York")))
  expect_identical(moment_seconds(as.POSIXct("2026-01-31 12:00", tz = "UTC"), "after"), as.numeric(as.POSIXct("2026-01-31 12:00", tz = "UTC")))
  expect_identical(moment_seconds(as.POSIXlt("2026-01-31 12:00:00.5", tz = "UTC"), "after"), 1769860800.5)
})

test_that("runs print", {
  local_browsed()
  withr::local_options(width = 120)
  expect_snapshot(mf_runs(where = list(namespace = NULL)), transform = steady)
})
