test_that("logs show what a run, a step or a task printed", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot({
    writeLines(command_output(flow, "logs", "3")$lines)
    writeLines(command_output(flow, "logs", "show", "3/start")$lines)
    writeLines(command_output(flow, "logs", "3/start/1")$lines)
    writeLines(command_output(flow, "logs", "--stdout", "3/start/1")$lines)
    writeLines(command_output(flow, "logs", "ShopFlow/3/start/1", "--stderr")$lines)
    writeLines(command_output(flow, "logs", "1/quote")$lines)
  })
  expect_identical(command_output(flow, "logs", "3/end")$lines, character())
  lines <- command_json(flow, "logs", "3/start/1")
  expect_identical(lines[[1]][c("stream", "line")], list(stream = "stdout", line = "three items"))
})

test_that("the log of a cloned task is that of its origin, an attempt can be chosen", {
  local_browsed()
  expect_identical(command_output(metaflow("ShopFlow"), "logs", "2/start/1")$lines, command_output(metaflow("ShopFlow"), "logs", "1/start/1")$lines)
  rough <- function(...) command_output(metaflow("RoughFlow"), "logs", "1/again/2", "--stdout", ...)$lines
  expect_identical(rough("--attempt", "0"), "try 0 ")
  expect_identical(rough("--attempt", "1"), "try 1 ")
  expect_identical(rough(), "try 1 ")
})

test_that("what is not there is an error that says what is", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot(error = TRUE, {
    command_output(flow, "logs")
    command_output(flow, "logs", "show")
    command_output(flow, "logs", "9")
    command_output(flow, "logs", "3/strat")
    command_output(flow, "logs", "3/start/99")
    command_output(flow, "logs", "3/start/1/0/x")
    command_output(flow, "logs", "3", "2")
    command_output(flow, "logs", "3/start/1", "--attempt", "one")
    command_output(flow, "logs", "3/start/1", "--attempt", "7")
  })
})
