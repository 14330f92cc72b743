test_that("a step has its tasks", {
  local_browsed()
  step <- step_client$new("ShopFlow/3/quote")
  expect_named(step$tasks, c("2", "3", "4"))
  expect_identical(step$a_task$pathspec, "ShopFlow/3/quote/2")
  expect_identical(step$task(3)$pathspec, "ShopFlow/3/quote/3")
  expect_identical(step$status, "done")
  expect_true(step$successful)
  expect_true(step$finished)
  expect_lte(step$created_at, step$finished_at)
})

test_that("a step that has not started has no tasks and no times", {
  local_browsed()
  step <- step_client$new("ShopFlow/1/total")
  expect_identical(step$status, NA_character_)
  expect_length(step$tasks, 0)
  expect_null(step$a_task)
  expect_false(step$successful)
  expect_false(step$finished)
  expect_identical(is.na(c(step$created_at, step$finished_at)), c(TRUE, TRUE))
  expect_identical(nrow(step$summary()), 0L)
})

test_that("a step knows its environment", {
  local_browsed()
  environment <- step_client$new("RoughFlow/1/again")$environment
  expect_identical(environment$language, "r")
  expect_identical(environment$R, r_version())
  expect_identical(environment$packages[["metaflow"]], as.character(packageVersion("metaflow")))
  expect_identical(environment$decorators$retry$times, 1L)
})

test_that("summary() of a step is a data frame of its tasks", {
  local_browsed()
  table <- summary(step_client$new("ShopFlow/1/quote"))
  expect_identical(table$task, c("2", "3", "4"))
  expect_identical(table$index, 0:2)
  expect_identical(table$status, c("done", "done", "failed"))
  expect_identical(table$attempts, c(1L, 1L, 1L))
  expect_identical(table$error, c(NA, NA, "no price for pear"))
  expect_identical(summary(step_client$new("RoughFlow/1/again"))$attempts, 2L)
})

test_that("steps print", {
  local_browsed()
  expect_snapshot(transform = steady, {
    run_client$new("ShopFlow/2")$steps
    step_client$new("ShopFlow/1/start")
    step_client$new("ShopFlow/1/quote")
    step_client$new("ShopFlow/1/total")
    step_client$new("RoughFlow/1/again")
    step_client$new("RoughFlow/1/again")$environment
    summary(step_client$new("ShopFlow/1/quote"))
  })
})
