stem <- function() metaflow("F")

test_that("decorators may stand before, between and after the named arguments", {
  before <- stem() %>% step(retry(times = 1), timeout(seconds = 2), step = "start", next_step = "end")
  after <- stem() %>% step(step = "start", next_step = "end", retry(times = 1), timeout(seconds = 2))
  between <- stem() %>% step(retry(times = 1), step = "start", timeout(seconds = 2), next_step = "end")
  expect_identical(flow_spec(before), flow_spec(after))
  expect_identical(flow_spec(before), flow_spec(between))
  expect_identical(vapply(before$steps$start$decorators, function(d) d$name, ""), c("retry", "timeout"))
})

test_that("a flow given by name leaves room for decorators without names", {
  flow <- step(retry(times = 1), flow = stem(), step = "start")
  expect_identical(flow$steps$start$decorators[[1]]$name, "retry")
})

test_that("wrong arguments of step() are refused at once, with the step and the cure", {
  expect_snapshot(error = TRUE, {
    stem() %>% step()
    stem() %>% step("start")
    stem() %>% step(step = NULL)
    stem() %>% step(step = "a step")
    stem() %>% step(step = c("a", "b"))
    stem() %>% step(step = "start", r_function = "start")
    stem() %>% step(step = "start", r_function = 1)
    stem() %>% step(step = "start", next_step = 1)
    stem() %>% step(step = "start", next_step = NA_character_)
    stem() %>% step(step = "start", foreach = 1:3)
    stem() %>% step(step = "start", foreach = c("a", "b"))
    stem() %>% step(step = "start", join = "yes")
    stem() %>% step(step = "start", join = NA)
    stem() %>% step(step = "start", nextstep = "end")
    stem() %>% step(step = "start", next_stpe = "end")
    stem() %>% step(step = "start", something_else = 1)
    stem() %>% step(step = "start", "retry")
    stem() %>% step(step = "start", retry)
  })
})

test_that("switches need named cases and a condition", {
  flow <- stem() %>% step(step = "start", next_step = list(yes = "a", no = "b", maybe = "a"), condition = "ok")
  expect_identical(flow$steps$start$next_step, c("a", "b"))
  read <- parse_json(json(flow_spec(flow)))$steps[[1]]
  expect_identical(read$switch, list(condition = "ok", cases = list(yes = "a", no = "b", maybe = "a"), max_iterations = NULL))
  named_vector <- stem() %>% step(step = "start", next_step = c(yes = "a", no = "b"), condition = "ok")
  expect_identical(flow_spec(named_vector)$steps[[1]]$switch$cases, list(yes = "a", no = "b"))
  expect_snapshot(error = TRUE, {
    stem() %>% step(step = "start", next_step = list(yes = "a", no = "b"))
    stem() %>% step(step = "start", next_step = c("a", "b"), condition = "ok")
    stem() %>% step(step = "start", next_step = list(yes = "a", "b"), condition = "ok")
    stem() %>% step(step = "start", next_step = list(yes = c("a", "b"), no = "d"), condition = "ok")
    stem() %>% step(step = "start", next_step = "a", condition = TRUE)
    stem() %>% step(step = "start", condition = "ok")
  })
})

test_that("max_iterations belongs to a step that goes back to itself", {
  again <- function(...) stem() %>% step(step = "a", next_step = list(more = "a", done = "end"), condition = "ok", ...)
  expect_identical(flow_spec(again(max_iterations = 7))$steps[[1]]$switch$max_iterations, 7)
  expect_null(flow_spec(again())$steps[[1]]$switch$max_iterations)
  expect_snapshot(error = TRUE, {
    again(max_iterations = 0)
    again(max_iterations = "many")
    stem() %>% step(step = "a", next_step = "end", max_iterations = 3)
  })
})

test_that("partial success belongs to a foreach, and its two arguments agree", {
  split <- function(...) stem() %>% step(step = "start", foreach = "xs", next_step = "a", ...)
  expect_identical(flow_spec(split(on_error = "continue"))$steps[[1]]$on_error, "continue")
  expect_identical(flow_spec(split(min_success = 0.9))$steps[[1]]$min_success, 0.9)
  expect_snapshot(error = TRUE, {
    split(on_error = "ignore")
    split(min_success = 95)
    split(min_success = NA)
    split(on_error = "stop", min_success = 0.9)
    stem() %>% step(step = "start", next_step = "a", on_error = "continue")
    stem() %>% step(step = "start", next_step = "a", min_success = 0.5)
  })
})

test_that("a step knows how many arguments its function takes", {
  arity <- function(f) step_spec((stem() %>% step(step = "start", r_function = f))$steps$start)$arity
  expect_identical(arity(function(self) 1), 1L)
  expect_identical(arity(function(self, inputs) 1), 2L)
  expect_identical(arity(function() 1), 0L)
  expect_null(arity(function(...) 1))
  expect_null(arity(function(self, ...) 1))
  expect_identical(arity(identity), 1L)
  expect_identical(arity(abs), 1L)
})
