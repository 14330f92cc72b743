test_that("tags are added, removed, replaced and listed", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot({
    writeLines(steady(command_output(flow, "tag", "list")$lines))
    writeLines(steady(command_output(flow, "tag", "add", "best", "of all")$lines))
    writeLines(steady(command_output(flow, "tag", "remove", "weekly")$lines))
    writeLines(steady(command_output(flow, "tag", "replace", "good", "better")$lines))
    writeLines(steady(command_output(flow, "tag", "add", "first", "--run-id", "1")$lines))
  })
  expect_identical(run_client$new("ShopFlow/3")$tags[1:3], c("best", "better", "of all"))
  expect_true("first" %in% run_client$new("ShopFlow/1")$tags)
  told <- command_json(flow, "tag", "list", "--run-id", "1")
  expect_identical(told$run, "ShopFlow/1")
  expect_true("first" %in% unlist(told$tags))
})

test_that("wrong uses change nothing", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  before <- run_client$new("ShopFlow/3")$tags
  expect_snapshot(error = TRUE, {
    command_output(flow, "tag")
    command_output(flow, "tag", "ad", "x")
    command_output(flow, "tag", "add")
    command_output(flow, "tag", "replace", "good")
    command_output(flow, "tag", "list", "extra")
    command_output(flow, "tag", "add", "x", "--run-id", "99")
    command_output(flow, "tag", "add", "")
    command_output(flow, "tag", "remove", "runtime:dev")
  })
  expect_error(command_output(metaflow("NewFlow"), "tag", "list"), "There is no flow 'NewFlow'", class = "metaflow_not_found_error")
  expect_identical(run_client$new("ShopFlow/3")$tags, before)
})
