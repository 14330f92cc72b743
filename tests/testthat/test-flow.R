test_that("a flow is a plain value: nothing is assigned where it is built", {
  scope <- new.env()
  local(flow <- metaflow("PlainFlow"), envir = scope)
  expect_identical(ls(scope, all.names = TRUE), "flow")
  expect_s3_class(scope$flow, c("metaflow_flow", "R6"), exact = TRUE)
  expect_false(exists("PlainFlow"))
})

test_that("verbs return a changed copy, so a stem can grow into two flows", {
  stem <- metaflow("StemFlow") %>% step(step = "start", next_step = "end")
  short <- stem %>% step(step = "end")
  long <- stem %>% parameter("alpha", default = 1) %>% step(step = "end", r_function = function(self) 1)

  expect_named(stem$steps, "start")
  expect_length(stem$parameters, 0)
  expect_named(short$steps, c("start", "end"))
  expect_length(short$parameters, 0)
  expect_null(short$steps$end$r_function)
  expect_named(long$parameters, "alpha")
  expect_type(long$steps$end$r_function, "closure")
})

test_that("the native pipe and nested calls build the same flow as %>%", {
  piped <- metaflow("PipeFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end")
  native <- metaflow("PipeFlow") |> step(step = "start", next_step = "end") |> step(step = "end")
  nested <- step(step(metaflow("PipeFlow"), step = "start", next_step = "end"), step = "end")
  expect_identical(flow_spec(native), flow_spec(piped))
  expect_identical(flow_spec(nested), flow_spec(piped))
})

test_that("a flow's name is checked at once", {
  expect_snapshot(error = TRUE, {
    metaflow("my-flow")
    metaflow("1st")
    metaflow("")
    metaflow("\u00fcber")
    metaflow(NA_character_)
    metaflow(c("a", "b"))
    metaflow(NULL)
    metaflow(mtcars)
    metaflow()
  })
  for (bad in list("my-flow", "1st", "", NA_character_, c("a", "b"), NULL, 1, mtcars)) {
    expect_error(metaflow(bad), class = "metaflow_invalid_flow_error")
  }
})

test_that("flow-level decorators are taken, anything else is refused", {
  flow <- metaflow("F", decorator("project", name = "x"))
  expect_identical(flow$decorators[[1]]$name, "project")
  expect_snapshot(error = TRUE, {
    metaflow("F", "retry")
    metaflow("F", nmae = "x")
    metaflow("F", retry)
  })
})

test_that("verbs want a flow as their first argument", {
  expect_snapshot(error = TRUE, {
    step("start", step = "start")
    parameter(list(), "alpha")
    run(42)
    resume(NULL)
    "F" %>% step(step = "start")
  })
})

test_that("the FlowSpec holds data only, as the core wants it", {
  flow <- metaflow("SpecFlow") %>%
    parameter("alpha", default = 0.5, help = "rate") %>%
    parameter("made", default = function(context) 1L) %>%
    step(step = "start", retry(times = 1), next_step = c("a", "b"), r_function = function(self) 1) %>%
    step(step = "a", next_step = "join") %>%
    step(step = "b", foreach = "xs", next_step = "each") %>%
    step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) 1) %>%
    step(step = "end", r_function = function(...) 1)
  spec <- flow_spec(flow)
  data_only <- function(x) if (is.list(x)) all(vapply(x, data_only, FALSE)) else is.null(x) || is.atomic(x)
  expect_true(data_only(unclass(spec)))

  read <- parse_json(json(spec))
  expect_identical(read$name, "SpecFlow")
  expect_identical(vapply(read$steps, function(s) s$name, ""), c("start", "a", "b", "join", "end"))
  expect_identical(read$steps[[1]]$`next`, list("a", "b"))
  expect_identical(read$steps[[2]]$`next`, list("join"))
  expect_identical(read$steps[[5]]$`next`, list())
  expect_identical(lapply(read$steps, function(s) s$arity), list(1L, NULL, NULL, 2L, NULL))
  expect_identical(vapply(read$steps, function(s) s$has_function, FALSE), c(TRUE, FALSE, FALSE, TRUE, TRUE))
  expect_identical(read$steps[[3]]$foreach, "xs")
  expect_true(read$steps[[4]]$join)
  expect_identical(read$steps[[1]]$decorators[[1]], list(name = "retry", args = list(times = 1L, minutes_between_retries = 2L)))
  expect_identical(read$parameters[[1]]$default, 0.5)
  expect_true(read$parameters[[2]]$has_default)
  expect_null(read$parameters[[2]]$default)
})

# What the check of a whole flow says; a message per problem.
check_flow <- function(flow) core_call("flows.check", spec = flow_spec(flow))

test_that("all problems of a flow are told at once, each with its step and the cure", {
  flow <- metaflow("BrokenFlow") %>%
    step(step = "start", next_step = c("a", "b")) %>%
    step(step = "a", next_step = "joni") %>%
    step(step = "b", foreach = "xs", next_step = c("c", "d")) %>%
    step(step = "c", next_step = "join") %>%
    step(step = "d", next_step = "join") %>%
    step(step = "join", next_step = "end", r_function = function(self, inputs) 1) %>%
    step(step = "island", next_step = "end") %>%
    step(step = "round", next_step = "about") %>%
    step(step = "about", next_step = "round") %>%
    step(step = "picky", foreach = "input", next_step = "end") %>%
    step(step = "end", decorator("conda", packages = "x"))
  expect_snapshot(error = TRUE, check_flow(flow))
  problems <- tryCatch(check_flow(flow), metaflow_invalid_flow_error = function(e) e$data)
  expect_true(all(c("unknown_next", "foreach_with_branch", "unreachable", "bad_artifact_name", "unknown_decorator") %in%
    vapply(problems, function(p) p$code, "")))
  expect_true(all(nzchar(vapply(problems, function(p) p$hint %||% "", ""))))
})

test_that("each single mistake has a text of its own", {
  linear <- function(...) metaflow("F") %>% step(...)
  expect_snapshot(error = TRUE, {
    # nothing there
    check_flow(metaflow("F"))
    # no start, no end
    check_flow(linear(step = "begin", next_step = "finish") %>% step(step = "finish"))
    # a step that goes nowhere
    check_flow(linear(step = "start", next_step = "a") %>% step(step = "a") %>% step(step = "end"))
    # an unknown next step, nearly right
    check_flow(linear(step = "start", next_step = "edn") %>% step(step = "end"))
    # a missing join
    check_flow(linear(step = "start", next_step = c("a", "b")) %>%
      step(step = "a", next_step = "end") %>% step(step = "b", next_step = "end") %>% step(step = "end"))
    # a join that nothing was split for
    check_flow(linear(step = "start", next_step = "j") %>% step(step = "j", join = TRUE, next_step = "end") %>% step(step = "end"))
    # a foreach that is never joined
    check_flow(linear(step = "start", foreach = "x", next_step = "a") %>% step(step = "a", next_step = "end") %>% step(step = "end"))
    # a foreach right into its join
    check_flow(linear(step = "start", foreach = "x", next_step = "j") %>%
      step(step = "j", join = TRUE, next_step = "end") %>% step(step = "end"))
    # a circle
    check_flow(linear(step = "start", next_step = "a") %>% step(step = "a", next_step = "b") %>%
      step(step = "b", next_step = "a") %>% step(step = "end"))
    # a step twice
    check_flow(linear(step = "start", next_step = "end") %>% step(step = "end") %>% step(step = "end"))
    # names that differ by case
    check_flow(linear(step = "start", next_step = "Fit") %>% step(step = "Fit", next_step = "fit") %>%
      step(step = "fit", next_step = "end") %>% step(step = "end"))
    # a reserved artifact name
    check_flow(linear(step = "start", foreach = "index", next_step = "a") %>% step(step = "a", next_step = "j") %>%
      step(step = "j", join = TRUE, next_step = "end") %>% step(step = "end"))
    # a reserved parameter name
    check_flow(linear(step = "start", next_step = "end") %>% step(step = "end") %>% parameter("input", default = 1))
    # functions with too few and too many arguments
    check_flow(linear(step = "start", next_step = "end", r_function = function(self, inputs) 1) %>%
      step(step = "end", r_function = function() 1))
    # end goes on
    check_flow(linear(step = "start", next_step = "end") %>% step(step = "end", next_step = "start"))
    # decorators that exclude each other, or come twice
    check_flow(linear(step = "start", batch(cpu = 1), kubernetes(cpu = 1), next_step = "end") %>%
      step(step = "end", retry(times = 1), retry(times = 2)))
    # catch where the flow splits
    check_flow(linear(step = "start", catch(var = "e"), foreach = "x", next_step = "a") %>% step(step = "a", next_step = "j") %>%
      step(step = "j", join = TRUE, next_step = "end") %>% step(step = "end"))
    # a decorator of an unknown extension
    check_flow(linear(step = "start", decorator("nowhere_to_be_found"), next_step = "end") %>% step(step = "end"))
    # catch would overwrite a parameter
    check_flow(linear(step = "start", next_step = "end") %>% parameter("alpha", default = 1) %>% step(step = "end", catch(var = "alpha")))
  })
})

test_that("flows of every allowed shape pass the check", {
  linear <- metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end")
  nested <- metaflow("F") %>%
    step(step = "start", next_step = c("a", "b")) %>%
    step(step = "a", foreach = "xs", next_step = "outer") %>%
    step(step = "outer", foreach = "ys", next_step = "inner") %>%
    step(step = "inner", next_step = "inner_join") %>%
    step(step = "inner_join", join = TRUE, next_step = "outer_join") %>%
    step(step = "outer_join", join = TRUE, next_step = "join") %>%
    step(step = "b", next_step = "join") %>%
    step(step = "join", join = TRUE, next_step = "end") %>%
    step(step = "end")
  switched <- metaflow("F") %>%
    step(step = "start", next_step = list(again = "start2", done = "end"), condition = "what") %>%
    step(step = "start2", next_step = "end") %>%
    step(step = "end")
  expect_identical(check_flow(linear)$steps, 2L)
  expect_identical(check_flow(nested)$steps, 9L)
  expect_identical(check_flow(switched)$steps, 3L)
})
