test_that("a task tells how it went", {
  local_browsed()
  task <- task_client$new("ShopFlow/3/quote/3")
  expect_identical(task$status, "done")
  expect_true(task$successful)
  expect_true(task$finished)
  expect_identical(task$index, 1L)
  expect_lte(task$created_at, task$finished_at)
  expect_null(task$exception)
  expect_null(task_client$new("ShopFlow/3/start/1")$index)

  failed <- task_client$new("ShopFlow/1/quote/4")
  expect_identical(failed$status, "failed")
  expect_false(failed$successful)
  expect_true(failed$finished)
  expect_identical(task_client$new("ShopFlow/2/quote/2")$status, "cloned")
  expect_identical(task_client$new("RoughFlow/1/caught/3")$status, "caught")
})

test_that("tasks lead to those before and after them", {
  local_browsed()
  task <- task_client$new("ShopFlow/3/quote/3")
  expect_named(task$parent_tasks, "start/1")
  expect_identical(as.character(task$child_tasks), "ShopFlow/3/total/5")
  expect_named(task$child_tasks[[1]]$parent_tasks, c("quote/2", "quote/3", "quote/4"))
  expect_length(task_client$new("ShopFlow/3/start/1")$parent_tasks, 0)
  expect_length(task_client$new("ShopFlow/3/end/6")$child_tasks, 0)
})

test_that("each attempt is there", {
  local_browsed()
  task <- task_client$new("RoughFlow/1/again/2")
  attempts <- task$attempts
  expect_identical(attempts$attempt, 0:1)
  expect_identical(attempts$status[[2]], "done")
  expect_identical(attempts$error, c("not the first time", NA))
  expect_s3_class(attempts$started_at, "POSIXct")
  expect_identical(as.character(task$stdout), "try 1 \n")
  expect_identical(task$loglines("stdout", attempt = 0)$line, "try 0 ")
  expect_identical(task$artifact("partial", attempt = 0), "so far")
  expect_error(task$loglines(attempt = 7), class = "metaflow_not_found_error")
  expect_error(task$artifact("x", attempt = "last"), class = "metaflow_usage_error")
})

test_that("facts about a task are a named list", {
  local_browsed()
  facts <- task_client$new("ShopFlow/2/quote/2")$metadata_dict
  expect_identical(facts$attempt, 0L)
  expect_identical(facts$position, "quote[0]")
  expect_identical(facts$user, "tester")
  expect_identical(facts$r_version, r_version())
  expect_identical(facts$origin, "ShopFlow/1/quote/2/0")
  expect_s3_class(facts$started_at, "POSIXct")
  expect_gt(facts$peak_memory_bytes, 1e6)
  expect_gt(facts$written_bytes, 0)
  # Its element of the foreach came with its order; who reads an artifact reads a file.
  expect_equal(facts$read_bytes, 0)
  expect_gt(step_client$new("ShopFlow/2/total")$a_task$metadata_dict$read_bytes, 0)
  expect_false("exit" %in% names(facts))
})

test_that("tasks print", {
  local_browsed()
  expect_snapshot(transform = steady, {
    step_client$new("ShopFlow/1/quote")$tasks
    task_client$new("ShopFlow/3/start/1")
    task_client$new("ShopFlow/1/quote/4")
    task_client$new("ShopFlow/2/quote/2")
    task_client$new("RoughFlow/1/caught/3")
    task_client$new("RoughFlow/1/again/2")
    task_client$new("RoughFlow/1/again/2")$attempts
    task_client$new("ShopFlow/3/quote/3")$parent_tasks
    task_client$new("ShopFlow/3/quote/3")$metadata_dict
    summary(task_client$new("ShopFlow/3/total/5"))
  })
})
