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

test_that("logs are followed to the end of the run", {
  local_browsed()
  followed <- command_output(metaflow("ShopFlow"), "logs", "3", "--follow")
  expect_identical(followed$status, 0L)
  expect_setequal(followed$lines, command_output(metaflow("ShopFlow"), "logs", "3")$lines)
  expect_identical(command_output(metaflow("ShopFlow"), "logs", "3/start/1", "--stdout", "--follow")$lines, "three items")
  expect_error(command_output(metaflow("ShopFlow"), "logs", "3/start/1", "--follow", "--attempt", "1"), class = "metaflow_usage_error")
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

test_that("--step and --task are parts of the pathspec", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_identical(command_output(flow, "logs", "3", "--step", "start")$lines, command_output(flow, "logs", "3/start")$lines)
  expect_identical(command_output(flow, "logs", "3", "--step", "start", "--task", "1")$lines, command_output(flow, "logs", "3/start/1")$lines)
  expect_error(command_output(flow, "logs", "3", "--task", "1"), class = "metaflow_usage_error")
})

test_that("logs are removed for good, and that is on record", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  before <- command_output(flow, "logs", "3")$lines
  expect_true(any(grepl("three items", before)))
  done <- command_json(flow, "logs", "scrub", "3/start/1")
  expect_identical(done$attempts, 1L)
  expect_gt(done$size_bytes, 0)
  expect_match(command_output(flow, "logs", "3/start/1")$lines, "^\\[removed by tester on [0-9-]+\\]$")
  # Once more there is nothing left, and what others printed is as it was.
  expect_identical(command_json(flow, "logs", "scrub", "3/start/1")$attempts, 0L)
  expect_identical(grep("start/1", command_output(flow, "logs", "3")$lines, value = TRUE, invert = TRUE), grep("start/1", before, value = TRUE, invert = TRUE))
  expect_true("logs removed" %in% mf_audit()$action)
  # The logs of a task that was taken over are those of its origin, which nobody meant.
  expect_identical(command_json(flow, "logs", "scrub", "2/start/1")$attempts, 0L)
})

test_that("each line has the time at which it was seen", {
  local_flow_folder()
  flow <- metaflow("TimedFlow") %>%
    step(step = "start", next_step = "end", r_function = function(self) { cat("one\n"); message("two") }) %>%
    step(step = "end")
  run(flow)
  lines <- log_lines("TimedFlow/1", times = TRUE)
  expect_identical(lines$line, c("one", "two"))
  expect_true(all(abs(as.numeric(Sys.time()) - as.numeric(lines$time)) < 600))
  said <- command_output(flow, "logs", "1", "--timestamps", "--stderr")$lines
  expect_match(said, "^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} \\[start/1\\] two$")
  expect_match(command_output(flow, "logs", "1/start", "--timestamps", "--json")$lines, '"time":"[0-9T:.-]+Z"')
})

test_that("options that do not go together say so", {
  local_browsed()
  flow <- metaflow("ShopFlow")
  expect_snapshot(error = TRUE, {
    command_output(flow, "logs", "3", "--task", "2")
    command_output(flow, "logs", "3/quote/2", "--follow", "--attempt", "0")
    command_output(flow, "logs", "3/quote/2", "--attempt", "9")
    command_output(flow, "logs", "scrub")
  })
})
