test_that("dump shows the artifacts of a run, a step or a task", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot({
    writeLines(command_output(flow, "dump", "3")$lines)
    writeLines(command_output(flow, "dump", "3/total")$lines)
    writeLines(command_output(flow, "dump", "3/end/6", "--include", "bill,rate")$lines)
    writeLines(command_output(flow, "dump", "3/end/6", "--max-value-size", "100")$lines)
  })
  told <- command_json(flow, "dump", "3/start")
  expect_identical(told[[1]]$pathspec, "ShopFlow/3/start/1")
  expect_identical(told[[1]]$artifacts$when$class, list("Date"))
})

test_that("what is not there, or is typed wrong, is an error", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot(error = TRUE, {
    command_output(flow, "dump")
    command_output(flow, "dump", "9")
    command_output(flow, "dump", "3/strat")
    command_output(flow, "dump", "3/start/1/x")
    command_output(flow, "dump", "3", "2")
    command_output(flow, "dump", "3", "--max-value-size", "large")
    command_output(flow, "dump", "3/end/6", "--include", "bil")
  })
})

test_that("values are dumped to a file", {
  folder <- local_browsed()
  flow <- metaflow("ShopFlow")
  done <- command_output(flow, "dump", "3/start", "--file", "values.rds", "--include", "when")
  expect_identical(done$lines, "1 value of 1 task written to values.rds.")
  expect_identical(readRDS("values.rds"), list("ShopFlow/3/start/1" = list(when = task_client$new("ShopFlow/3/start/1")$artifact("when"))))
  expect_match(command_output(flow, "dump", "3/start", "--file", "values.rds", "--max-value-size", "1")$lines, "larger than --max-value-size left out", fixed = TRUE)
  expect_error(command_output(flow, "dump", "3/start", "--file", "no/such/folder.rds"), class = "metaflow_usage_error")
})

test_that("a file is written, or it is said why not", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot(writeLines(command_output(flow, "dump", "3/quote", "--file", "values.rds", "--include", "price")$lines))
  expect_snapshot(error = TRUE, {
    command_output(flow, "dump", "3/quote", "--file", "nowhere/values.rds")
    command_output(flow, "dump", "3/quote", "--max-value-size", "1 MB")
    command_output(flow, "dump", "3/quote/2/0/price")
  })
})
