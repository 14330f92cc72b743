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
