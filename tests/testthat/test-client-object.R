test_that("clients are their pathspec when text is wanted", {
  local_browsed()
  task <- task_client$new("ShopFlow/3/start/1")
  expect_identical(as.character(task), "ShopFlow/3/start/1")
  expect_identical(format(task), "ShopFlow/3/start/1")
  expect_identical(paste("see", task), "see ShopFlow/3/start/1")
  expect_identical(task$id, "1")
})

test_that("parents lead back up to the flow", {
  local_browsed()
  task <- task_client$new("ShopFlow/3/start/1")
  expect_s3_class(task$parent, "metaflow_step_client")
  expect_identical(task$parent$parent$parent$pathspec, "ShopFlow")
  expect_null(task$parent$parent$parent$parent)
})

test_that("a mistyped member is an error, and none can be assigned", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_snapshot(error = TRUE, {
    run$statsu
    run[["artefact"]]
    run[[1]]
    run$status <- "completed"
    run[["new"]] <- 1
    run$end_task$artifacts <- "x"
  })
  expect_error(run$statsu, class = "metaflow_attribute_error")
})

test_that("members complete with TAB", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_setequal(.DollarNames(run, "^st"), c("status", "step", "steps"))
  expect_identical(.DollarNames(run, "^cl|^init|^[.]"), character())
  expect_true(all(c("runs", "latest_run") %in% .DollarNames(run$parent, "")))
  expect_setequal(complete("run$sta", run), c("run$status"))
})

test_that("clients are made anew from clients, ids and pathspecs", {
  local_browsed()
  flow <- flow_client$new("ShopFlow")
  run <- run_client$new(flow, 2)
  expect_identical(run$pathspec, "ShopFlow/2")
  expect_identical(flow$run(run)$pathspec, "ShopFlow/2")
  expect_identical(flow$run(flow$latest_run)$pathspec, "ShopFlow/3")
  expect_identical(run_client$new("ShopFlow", "latest_successful_run")$pathspec, "ShopFlow/3")
  expect_identical(step_client$new(run, "quote")$pathspec, "ShopFlow/2/quote")
  expect_identical(run$step(run$steps$quote)$pathspec, "ShopFlow/2/quote")
  expect_identical(task_client$new(run$steps$start, 1)$pathspec, "ShopFlow/2/start/1")
  expect_error(flow$run("OtherFlow/1"), class = "metaflow_error")
})

test_that("a client survives being saved", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  copy <- unserialize(serialize(run, NULL))
  expect_identical(copy$status, "completed")
})
