test_that("a run tells how it went", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_identical(run$status, "completed")
  expect_true(run$successful)
  expect_true(run$finished)
  expect_s3_class(run$created_at, "POSIXct")
  expect_lt(run$created_at, run$finished_at)
  expect_lt(abs(as.numeric(Sys.time() - run$finished_at, units = "mins")), 60)
  expect_null(run$origin_run_id)
  expect_null(run$trigger)
  expect_identical(run$end_task$pathspec, "ShopFlow/3/end/6")

  failed <- run_client$new("ShopFlow/1")
  expect_identical(failed$status, "failed")
  expect_false(failed$successful)
  expect_true(failed$finished)
  expect_null(failed$end_task)
  expect_identical(run_client$new("ShopFlow/2")$origin_run_id, "1")
})

test_that("a run has its steps in the order of the flow", {
  local_browsed()
  run <- run_client$new("ShopFlow/1")
  expect_named(run$steps, c("start", "quote", "total", "end"))
  expect_identical(run$step("quote")$pathspec, "ShopFlow/1/quote")
})

test_that("artifacts of a run are those of its end task", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_identical(run$artifacts, c("bill", "currency", "nothing", "odd name", "rate"))
  expect_identical(run$artifact("odd name"), list(1L, "b"))
  expect_identical(run$data$bill$item, c("apple", "plum", "pear"))
  expect_identical(run_client$new("ShopFlow/1")$artifacts, character())
})

test_that("parameters are R values, also of a run that failed", {
  local_browsed()
  expect_identical(run_client$new("ShopFlow/3")$parameters, list(currency = "EUR", rate = 2))
  expect_identical(run_client$new("ShopFlow/1")$parameters, list(currency = "EUR", rate = 1.5))
  expect_length(run_client$new("RoughFlow/1")$parameters, 0)
})

test_that("tags are added, removed and replaced", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_identical(run$user_tags, c("good", "weekly"))
  expect_true(all(c("good", "weekly", "user:tester") %in% run$tags))
  expect_identical(run$tags, c(run$user_tags, run$system_tags))

  expect_identical(run$add_tag("best")$user_tags, c("best", "good", "weekly"))
  run$add_tag("a", c("b", "c"))
  run$remove_tag("a", "b", "c", "weekly", "never there")
  expect_identical(run$user_tags, c("best", "good"))
  run$replace_tag("best", c("better", "blessed"))
  expect_identical(run_client$new("ShopFlow/3")$user_tags, c("better", "blessed", "good"))
  expect_identical(mf_runs("ShopFlow", where = list(tags = "blessed"))$run_id, "3")
  expect_identical(run$steps$start$tags, run$tags)
  expect_identical(run$end_task$tags, run$tags)
})

test_that("tags that cannot be are refused, and change nothing", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_snapshot(error = TRUE, {
    run$remove_tag("user:tester")
    run$add_tag("")
    run$add_tag(1)
    run$add_tag(NA_character_)
  })
  expect_identical(run$user_tags, c("good", "weekly"))
})

test_that("a run whose namespace tag is taken away can still be read by who holds it", {
  local_browsed()
  set_namespace("good")
  run <- run_client$new("ShopFlow/3")
  run$remove_tag("good")
  expect_identical(run$status, "completed")
  expect_identical(run$data$rate, 2)
  expect_false(run$is_in_namespace())
})

test_that("summary() of a run is a data frame of its steps", {
  local_browsed()
  run <- run_client$new("ShopFlow/2")
  table <- summary(run)
  expect_s3_class(table, "data.frame")
  expect_identical(table, run$summary())
  expect_identical(table$step, c("start", "quote", "total", "end"))
  expect_identical(table$status, c("cloned", "done", "done", "done"))
  expect_identical(table$tasks, c(1L, 3L, 1L, 1L))
  expect_identical(table$done, c(0L, 1L, 1L, 1L))
  expect_identical(table$cloned, c(1L, 2L, 0L, 0L))
  # What was taken over took no time in this run.
  expect_identical(is.na(table$seconds), c(TRUE, FALSE, FALSE, FALSE))
  expect_true(all(table$seconds[-1] < 60))
  expect_true(all(table$peak_memory_bytes > 1e6))

  failed <- summary(run_client$new("ShopFlow/1"))
  expect_identical(failed$status, c("done", "failed", "not started", "not started"))
  expect_identical(failed$failed, c(0L, 1L, 0L, 0L))
  expect_identical(failed$tasks, c(1L, 3L, 0L, 0L))
})

test_that("runs print", {
  local_browsed()
  expect_snapshot(transform = steady, {
    run_client$new("ShopFlow/3")
    run_client$new("ShopFlow/2")
    run_client$new("ShopFlow/1")
    run_client$new("RoughFlow/1")
  })
})
