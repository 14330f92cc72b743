test_that("lists of clients are lists: loops, names, numbers and lapply() work", {
  local_browsed()
  tasks <- step_client$new("ShopFlow/3/quote")$tasks
  expect_true(is.list(tasks))
  expect_named(tasks, c("2", "3", "4"))
  for (task in tasks) expect_s3_class(task, "metaflow_task_client")
  expect_identical(vapply(tasks, function(task) task$data$item, ""), c("2" = "apple", "3" = "plum", "4" = "pear"))
  expect_identical(tasks[[3]]$pathspec, tasks[["4"]]$pathspec)
  expect_identical(as.character(tasks[2:3]), c("ShopFlow/3/quote/3", "ShopFlow/3/quote/4"))
  expect_s3_class(tasks["2"], "metaflow_clients")
  expect_s3_class(rev(tasks), "metaflow_clients")
  expect_identical(unlist(lapply(unname(tasks), as.character)), as.character(tasks))
})

test_that("an element that is not there is an error with the nearest name", {
  local_browsed()
  steps <- run_client$new("ShopFlow/3")$steps
  expect_snapshot(error = TRUE, {
    steps$strt
    steps[["quotes"]]
    mf_client()$flows$Shop
  })
  expect_error(steps$strt, class = "metaflow_not_found_error")
  expect_error(steps[[9]], "subscript out of bounds")
})

test_that("names of elements complete with TAB", {
  local_browsed()
  expect_identical(complete("run$steps$qu", run_client$new("ShopFlow/3")), "run$steps$quote")
})

test_that("long lists are cut", {
  local_browsed()
  expect_snapshot(transform = steady, {
    print(flow_client$new("ShopFlow")$runs, max = 2)
    flow_client$new("ShopFlow")$runs[0]
  })
})

test_that("ids are completed in the quotes that R needs, at the console", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_identical(complete("run$steps$quote$tasks$", run), paste0("run$steps$quote$tasks$`", 2:4, "`"))
  withr::local_envvar(POSITRON = "1")
  expect_identical(.DollarNames(run$steps$quote$tasks, ""), c("2", "3", "4"))
})
