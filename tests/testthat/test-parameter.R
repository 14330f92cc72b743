flow_with <- function(...) metaflow("ParameterFlow") %>% parameter(...)

# The value a parameter gets when `typed` (one string) or `value` (of R) is given for it.
given <- function(value, ...) parameter_values(flow_with("x", ...), list(x = value))$x
by_default <- function(...) parameter_values(flow_with("x", ...), list())$x

test_that("typed text becomes a value of the parameter's type", {
  expect_identical(given("3", type = "int"), 3L)
  expect_identical(given("-3", type = "int"), -3L)
  expect_identical(given("3000000000", type = "int"), 3e9)
  expect_identical(given("0.5", type = "float"), 0.5)
  expect_identical(given("1e-3", type = "float"), 0.001)
  expect_identical(given("3", type = "float"), 3)
  expect_identical(given("Inf", type = "float"), Inf)
  expect_identical(given("3", type = "str"), "3")
  expect_identical(given("", type = "str"), "")
  expect_identical(given("NA", type = "str"), "NA")
  expect_identical(given("hello world", type = "str"), "hello world")
  expect_identical(given("data_set-v1.csv", type = "str"), "data_set-v1.csv")
  expect_identical(given("\u00fcber \u4e16\u754c", type = "str"), "\u00fcber \u4e16\u754c")
  for (yes in c("TRUE", "true", "T", "yes", "1")) expect_identical(given(yes, type = "bool"), TRUE)
  for (no in c("FALSE", "false", "F", "no", "0")) expect_identical(given(no, type = "bool"), FALSE)
  expect_identical(given("2024-02-29", type = "date"), as.Date("2024-02-29"))
  expect_identical(given("[1, 2]", type = "json"), 1:2)
  expect_identical(given('{"a": {"b": ["x", null]}}', type = "json")$a$b, c("x", NA))
  expect_identical(given("null", type = "json"), NULL)
  expect_identical(given("true", type = "json"), TRUE)
})

test_that("text of the wrong type is refused with the type and an example", {
  expect_snapshot(error = TRUE, {
    given("a", type = "int")
    given("1.5", type = "int")
    given("", type = "int")
    given("1,5", type = "float")
    given("NA", type = "float")
    given("maybe", type = "bool")
    given("2024-13-01", type = "date")
    given("29.02.2024", type = "date")
    given("2024-02-29 or so", type = "date")
    given("yesterday", type = "date")
    given("{a: 1}", type = "json")
    given("", type = "json")
  })
  expect_error(given("a", type = "int"), class = "metaflow_parameter_error")
})

test_that("values from R keep what they are when they fit the type", {
  expect_identical(given(3, type = "int"), 3L)
  expect_identical(given(3L, type = "float"), 3)
  expect_identical(given(3e9, type = "int"), 3e9)
  expect_identical(given(c(a = 1, b = 2), type = "float"), c(a = 1, b = 2))
  expect_identical(given(c(a = 1, b = 2), type = "int"), c(a = 1L, b = 2L))
  expect_identical(given(c("a", NA), type = "str"), c("a", NA))
  expect_identical(given(c(TRUE, NA), type = "bool"), c(TRUE, NA))
  expect_identical(given(as.Date("2024-02-29"), type = "date"), as.Date("2024-02-29"))
  expect_identical(given(as.POSIXct("2024-02-29", tz = "UTC"), type = "date"), as.Date("2024-02-29"))
  expect_identical(given(list(a = 1, b = "x"), type = "json"), list(a = 1, b = "x"))
  expect_identical(given(mtcars, type = "json"), mtcars)
})

test_that("NA from R is the missing value of every type", {
  expect_identical(given(NA, type = "int"), NA_integer_)
  expect_identical(given(NA, type = "float"), NA_real_)
  expect_identical(given(c(a = NA, b = NA), type = "float"), c(a = NA_real_, b = NA_real_))
  expect_identical(given(NA, type = "str"), NA_character_)
  expect_identical(given(NA_character_, type = "str"), NA_character_)
  expect_identical(given(NA, type = "date"), as.Date(NA))
  expect_identical(given(NA, type = "bool"), NA)
  expect_identical(given(NA, type = "json"), NA)
  expect_identical(given(3, default = NA), 3)
  expect_identical(given("3", default = NA), "3")
  expect_identical(by_default(default = NA, type = "float"), NA_real_)
})

test_that("a parameter without a type or default takes any value of R as it is", {
  for (value in list(3L, 2.5, c("a", NA), TRUE, NULL, list(1, "a"), mtcars, as.Date("2024-01-01"), factor("a"), quote(x + 1))) {
    expect_identical(given(value), value)
  }
  expect_identical(given("007"), "007")
})

test_that("values from R of the wrong type are refused", {
  expect_snapshot(error = TRUE, {
    given(1.5, type = "int")
    given(TRUE, type = "int")
    given(list(1), type = "float")
    given(1, type = "str")
    given(1, type = "bool")
    given(20240229, type = "date")
    given(mtcars, type = "float")
    given(factor("a"), type = "str")
  })
})

test_that("the type follows from the default", {
  type <- function(default) flow_with("x", default = default)$parameters$x$type
  expect_identical(type(1L), "int")
  expect_identical(type(1), "float")
  expect_identical(type("a"), "str")
  expect_identical(type(TRUE), "bool")
  expect_identical(type(as.Date("2024-01-01")), "date")
  expect_identical(type(list(a = 1)), "json")
  expect_identical(type(c("a", "b")), "json")
  expect_identical(type(1:3), "json")
  expect_null(type(NULL))
  expect_null(type(NA))
  expect_identical(type(NA_real_), "float")
  expect_null(type(function(context) 1))
  expect_identical(flow_with("x", is_flag = TRUE)$parameters$x$type, "bool")
})

test_that("defaults of every kind arrive as written", {
  for (default in list(1L, 0.1, "a", NA, NA_character_, TRUE, as.Date("2024-01-01"), 1:3, c(a = 1, b = NA), list(a = 1), mtcars)) {
    expect_identical(by_default(default = default), default)
  }
  expect_identical(by_default(), NULL)
  expect_identical(by_default(is_flag = TRUE), FALSE)
  expect_identical(by_default(is_flag = TRUE, default = TRUE), TRUE)
  expect_identical(by_default(type = "int", default = 5), 5L)
  expect_identical(by_default(type = "date", default = "2024-01-01"), as.Date("2024-01-01"))
})

test_that("a default may be a function of the context, called when the run starts", {
  calls <- 0L
  flow <- flow_with("x", default = function(context) {
    calls <<- calls + 1L
    paste(context$flow_name, context$user, context$parameter_name)
  })
  expect_identical(calls, 0L)
  values <- parameter_values(flow, list(), list(flow_name = "ParameterFlow", user = "alice"))
  expect_identical(values$x, "ParameterFlow alice x")
  expect_identical(calls, 1L)
  parameter_values(flow, list(x = "given"))
  expect_identical(calls, 1L)
  expect_identical(by_default(type = "int", default = function(context) "12"), 12L)
  expect_identical(by_default(default = function() 5), 5)
  expect_snapshot(error = TRUE, {
    by_default(default = function(context) stop("the database is down"))
    by_default(type = "int", default = function(context) "a")
  })
})

test_that("a separator splits typed text, each part of the parameter's type, and keeps empty parts", {
  expect_identical(given("a,b c,d-e_f", separator = ","), c("a", "b c", "d-e_f"))
  expect_identical(given("a", separator = ","), "a")
  expect_identical(given("1|2|3", separator = "|"), c("1", "2", "3"))
  expect_identical(given("1|2|3", separator = "|", type = "int"), 1:3)
  expect_identical(given("", separator = "|", type = "int"), integer())
  expect_identical(given("2024-01-01 2024-12-31", separator = " ", type = "date"), as.Date(c("2024-01-01", "2024-12-31")))
  expect_identical(given("1;[2, 3]", separator = ";", type = "json"), list(1L, 2:3))
  expect_identical(by_default(separator = ",", default = "a,b"), c("a", "b"))
  expect_identical(given(c("a,b", "c"), separator = ","), c("a,b", "c"))
  expect_identical(given("a.b", separator = "."), c("a", "b"))
  expect_identical(given("", separator = ","), character())
  expect_identical(given("a,,b", separator = ","), c("a", "", "b"))
  expect_identical(given("a,", separator = ","), c("a", ""))
  expect_identical(by_default(separator = ",", default = c("a", "b")), c("a", "b"))
  expect_identical(given("1,2", separator = ",", default = c(0.5, 0.7)), c(1, 2))
  expect_snapshot(error = TRUE, given("1|b|c", separator = "|", type = "int"))
})

test_that("a required parameter must be given", {
  flow <- flow_with("path", required = TRUE) %>% parameter("alpha", required = TRUE, type = "float")
  expect_snapshot(error = TRUE, parameter_values(flow, list()))
  expect_identical(parameter_values(flow, list(path = "a b", alpha = 1)), list(path = "a b", alpha = 1))
})

test_that("all problems of the parameters are told at once", {
  flow <- flow_with("n", type = "int") %>% parameter("day", type = "date") %>% parameter("path", required = TRUE)
  expect_snapshot(error = TRUE, parameter_values(flow, list(n = "x", day = "y")))
})

test_that("wrong declarations are refused", {
  expect_snapshot(error = TRUE, {
    flow_with()
    flow_with("a-b")
    flow_with(c("a", "b"))
    flow_with("x", type = "integer")
    flow_with("x", type = "strr")
    flow_with("x", type = 1)
    flow_with("x") %>% parameter("x")
    flow_with("x", required = "yes")
    flow_with("x", help = 1)
    flow_with("x", separator = 1)
    flow_with("x", is_flag = NA)
    flow_with("x", defualt = 1)
  })
})

test_that("the core looks at declarations, too, with all other problems of the flow", {
  check <- function(...) {
    flow <- flow_with(...) %>% step(step = "start", next_step = "end") %>% step(step = "end")
    core_call("flows.check", spec = flow_spec(flow))
  }
  expect_snapshot(error = TRUE, {
    check("x", required = TRUE, default = 1)
    check("x", type = "int", default = "a")
    check("x", type = "date", default = "soon")
    check("x", separator = "", default = "a")
    check("x", is_flag = TRUE, type = "int", default = 1L)
    check("input", default = 1)
    check("if", default = 1)
  })
  for (default in list(1L, 0.5, "a", TRUE, as.Date("2024-01-01"), NA, NA_character_, 1:3, list(a = 1), function(context) 1)) {
    expect_identical(check("x", default = default)$flow, "ParameterFlow")
  }
  expect_identical(check("x", separator = ",", default = c("a", "b"))$flow, "ParameterFlow")
  expect_identical(check("x", separator = ",", type = "int")$flow, "ParameterFlow")
})

test_that("parameters may be called as an option of run() is", {
  flow <- metaflow("F")
  for (name in c("user", "tag", "run_id", "namespace", "with", "resume", "seed")) flow <- parameter(flow, name, default = "none")
  expect_named(flow$parameters, c("user", "tag", "run_id", "namespace", "with", "resume", "seed"))
  split <- split_arguments(flow, list(user = "a", tag = "b", seed = "c", max_workers = 2))
  expect_identical(split$parameters, list(user = "a", tag = "b", seed = "c"))
  expect_identical(split$options, list(max_workers = 2))
})
