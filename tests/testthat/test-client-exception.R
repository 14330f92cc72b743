test_that("the exception of a failed task is the condition that ended it, with the calls", {
  local_browsed()
  problem <- task_client$new("ShopFlow/1/quote/4")$exception
  expect_s3_class(problem, c("metaflow_task_error", "simpleError", "error", "condition"), exact = TRUE)
  expect_identical(conditionMessage(problem), "no price for pear")
  expect_identical(conditionCall(problem), quote(price(item)))
  expect_identical(problem$cause, "error")
  expect_identical(problem$pathspec, "ShopFlow/1/quote/4")

  calls <- problem$calls
  expect_identical(calls$call[-1], c("ask(self$input)", "price(item)", 'stop("no price for ", item)'))
  expect_identical(calls$file[-1], rep("shop.R", 3))
  script <- readLines("shop.R")
  expect_match(script[calls$line[[4]]], 'stop("no price for "', fixed = TRUE)
  expect_match(script[calls$line[[2]]], "ask(self$input)", fixed = TRUE)
})

test_that("it is raised again by stop(), and handled by its own class", {
  local_browsed()
  problem <- task_client$new("RoughFlow/1/caught/3")$exception
  expect_s3_class(problem, c("metaflow_task_error", "shop_error", "error", "condition"), exact = TRUE)
  caught <- tryCatch(stop(problem), shop_error = function(e) conditionMessage(e))
  expect_identical(caught, "sold out")
})

test_that("the condition that catch() kept has the fields of the original", {
  local_browsed()
  kept <- task_client$new("RoughFlow/1/caught/3")$data$problem
  expect_s3_class(kept, "shop_error")
  expect_identical(kept$stock, 0L)
})

test_that("a process that ended without a condition says what is known", {
  local_browsed()
  problem <- task_client$new("RoughFlow/1/left/4")$exception
  expect_s3_class(problem, c("metaflow_task_error", "metaflow_quit_error", "error", "condition"), exact = TRUE)
  expect_identical(problem$cause, "quit")
  expect_null(conditionCall(problem))
  expect_identical(nrow(problem$calls), 0L)
})

test_that("a task that did not fail, in the end, has none", {
  local_browsed()
  expect_null(task_client$new("ShopFlow/3/start/1")$exception)
  expect_null(task_client$new("RoughFlow/1/again/2")$exception)
})

test_that("exceptions print as R users know errors", {
  local_browsed()
  expect_snapshot({
    task_client$new("ShopFlow/1/quote/4")$exception
    task_client$new("ShopFlow/1/quote/4")$exception$calls
    task_client$new("RoughFlow/1/caught/3")$exception
    task_client$new("RoughFlow/1/left/4")$exception
  })
})
