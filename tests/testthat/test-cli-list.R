test_that("list shows the runs, newest first", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot(writeLines(steady(command_output(flow, "list")$lines)))
  expect_snapshot(writeLines(steady(command_output(flow, "list", "--limit", "1")$lines)))
  rows <- command_json(flow, "list")
  expect_identical(vapply(rows, function(r) r$run, ""), c("3", "2", "1"))
  expect_identical(vapply(rows, function(r) r$status, ""), c("completed", "completed", "failed"))
  expect_identical(rows[[1]]$tags, list("good", "weekly"))
  expect_identical(rows[[3]]$tags, list())
  expect_match(rows[[1]]$created_at, "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z$")
})

test_that("a flow without runs says so, and is an empty array as JSON", {
  local_flow_folder()
  expect_identical(command_output(metaflow("NewFlow"), "list"), list(status = 0L, lines = "NewFlow has no runs here."))
  expect_identical(command_json(metaflow("NewFlow"), "list"), list())
})

test_that("a wrong limit is refused", {
  local_browsed()
  expect_snapshot(error = TRUE, {
    command_output(metaflow("ShopFlow"), "list", "--limit", "none")
    command_output(metaflow("ShopFlow"), "list", "--limit", "0")
    command_output(metaflow("ShopFlow"), "list", "--limit", "1.5")
  })
})
