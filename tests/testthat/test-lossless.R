# The first promise of section 9 of the contract: what a step assigns comes back identical(), in the next
# step, as the input of a foreach, as a parameter, and in a session that reads the run afterwards.

# Values that other systems bend. The same text makes them in the flow and in this process.
values_script <- '
suppressMessages(library(methods))
setClass("Point", representation(x = "numeric", y = "numeric"))

awkward_values <- function() {
  latin <- "caf\\xe9"
  Encoding(latin) <- "latin1"
  bytes <- "\\xff\\xfe"
  Encoding(bytes) <- "bytes"
  frame <- data.frame(
    day = as.Date(c("2024-02-29", NA)), when = as.POSIXct(c(NA, 1e9 + 0.123456), tz = "America/New_York", origin = "1970-01-01"),
    kind = factor(c("b", NA), levels = c("a", "b", "c")), text = c(NA, ""), n = c(NA, 1L), x = c(NaN, NA)
  )
  frame$nested <- list(1:3, NULL)
  list(
    na = NA, na_integer = NA_integer_, na_real = NA_real_, na_text = c("a", NA), nan = NaN, mixed = c(NA, NaN, Inf, -Inf, -0),
    nothing = NULL, no_integers = integer(0), no_text = character(0), no_list = list(), empty_name = setNames(1:2, c("", "b")),
    one_true = TRUE, one_text = "a", many = c(TRUE, FALSE, NA), tiny = 5e-324, big_integer = 2^53 + 1, complex = complex(real = NA, imaginary = 1),
    factor = factor(c("x", NA, "z"), levels = c("z", "y", "x")), ordered = factor("low", levels = c("low", "high"), ordered = TRUE),
    named = c(a = 1, b = NA), same_names = list(a = 1, a = 2), list = list(1, 2), list_of_null = list(NULL, a = NULL, list()),
    deep = list(list(list(list(1L)))), difftime = as.difftime(90, units = "mins"), date = as.Date("1900-01-01"), broken_date = as.Date(0.5, origin = "1970-01-01"),
    moment = as.POSIXct("2024-06-01 12:00:00", tz = "Europe/Berlin"), moment_lt = as.POSIXlt("2024-06-01 12:00:00", tz = "UTC"),
    frame = frame, no_rows = frame[0, ], no_columns = data.frame(row.names = c("r1", "r2")), named_rows = mtcars[1:3, ],
    odd_columns = data.frame(`a b` = 1, `if` = 2, check.names = FALSE),
    matrix = matrix(c(1, NA, 3, 4), 2, dimnames = list(c("r1", "r2"), NULL)), array = array(1:24, c(2, 3, 4)), table = table(c("a", "b", "a")),
    series = ts(1:12, start = c(2024, 3), frequency = 12), raw = as.raw(0:255), text_utf8 = c("\\u00fc", "\\u4e16\\u754c", "\\U0001f600"), text_latin = latin, text_bytes = bytes,
    long_text = strrep("x", 1e6), lines = "a\\nb\\r\\n\\tc\\\\\\"", compact = 1:1000000, long = as.numeric(seq_len(3e5)) / 7,
    s4 = new("Point", x = 1, y = NA_real_), s3 = structure(list(a = 1), class = c("special", "thing"), units = "cm"),
    call = quote(f(x, y = 2)), symbol = as.name("x"), expression = expression(a + b, c), no_default = formals(function(x, y = 1) NULL), pairs = as.pairlist(list(a = 1, b = "x")),
    formula = eval(quote(y ~ x + log(z)), globalenv()), builtin = sum, attributed = structure(1:3, note = "n", class = "noted")
  )
}
'

expect_same_values <- function(actual, expected) {
  for (name in names(expected)) {
    expect_true(identical(actual[[name]], expected[[name]], num.eq = FALSE, single.NA = FALSE, attrib.as.set = FALSE), info = name)
  }
}

test_that("NA, factors, dates, data frames, S4, calls, ... come back identical()", {
  folder <- local_flow_folder()
  writeLines(values_script, file.path(folder, "values.R"))
  write_flow(folder, '
    source("values.R")
    same <- function(a, b) identical(a, b, num.eq = FALSE, single.NA = FALSE, attrib.as.set = FALSE)
    metaflow("LosslessFlow") %>%
      parameter("frame_given") %>%
      parameter("text_given") %>%
      step(step = "start", next_step = "look", r_function = function(self) {
        for (name in names(awkward_values())) self[[name]] <- awkward_values()[[name]]
        self$all_names <- names(awkward_values())
      }) %>%
      step(step = "look", foreach = "values", next_step = "each", r_function = function(self) {
        values <- awkward_values()
        self$different <- Filter(function(name) !same(self[[name]], values[[name]]), self$all_names)
        self$values <- values
        stopifnot(same(self$frame_given, values$frame), same(self$text_given, c(values$text_utf8, NA)))
      }) %>%
      step(step = "each", next_step = "join", r_function = function(self) {
        self$same_input <- same(self$input, awkward_values()[[self$index + 1L]])
        self$name <- names(awkward_values())[[self$index + 1L]]
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        merge_artifacts(self, inputs, exclude = c("same_input", "name"))
        self$different_inputs <- unlist(lapply(inputs, function(i) if (!i$same_input) i$name))
      }) %>%
      step(step = "end") %>%
      run(frame_given = awkward_values()$frame, text_given = c(awkward_values()$text_utf8, NA))
  ')
  run_flow_well(folder)

  run <- flow_client$new("LosslessFlow")$latest_run
  expect_identical(run$artifact("different"), character())
  expect_null(run$artifact("different_inputs"))
  made <- new.env(parent = globalenv())
  suppressMessages(eval(parse(text = values_script), made))
  values <- made$awkward_values()
  expect_same_values(lapply(stats::setNames(nm = names(values)), run$artifact), values)
  expect_same_values(list(frame = run$parameters$frame_given), values["frame"])
})

test_that("environments, functions, models, R6 and reference objects come back with the same content", {
  folder <- local_flow_folder()
  write_flow(folder, '
    Counter <- R6::R6Class("Counter", public = list(n = 0, add = function() { self$n <- self$n + 1; invisible(self) }))
    Account <- setRefClass("Account", fields = list(total = "numeric"), methods = list(put = function(x) { total <<- total + x; invisible(.self) }))
    adder <- function(n) function(x) x + n
    metaflow("ObjectFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        self$counter <- Counter$new()$add()$add()
        self$account <- Account$new(total = 5)$put(7)
        scope <- new.env()
        scope$a <- 1:3
        scope$itself <- scope
        lockBinding("a", scope)
        self$scope <- scope
        self$add_five <- adder(5)
        self$model <- lm(mpg ~ wt, mtcars)
        self$smooth <- loess(mpg ~ wt, mtcars)
        self$curve <- splinefun(1:5, c(1, 4, 9, 16, 25))
        self$cdf <- ecdf(c(3, 1, 2))
      }) %>%
      step(step = "end", r_function = function(self) {
        self$counted <- self$counter$add()$n
        self$account$put(1)
        self$accounted <- self$account$total
        self$added <- self$add_five(1)
        self$predicted <- predict(self$model, data.frame(wt = 3))
      }) %>%
      run()
  ')
  run_flow_well(folder)

  run <- flow_client$new("ObjectFlow")$latest_run
  expect_identical(run$artifact("counted"), 3)
  expect_identical(run$artifact("accounted"), 13)
  expect_identical(run$artifact("added"), 6)
  expect_identical(run$artifact("counter")$n, 2)
  expect_identical(run$artifact("counter")$add()$n, 3)
  expect_identical(run$artifact("add_five")(2), 7)
  scope <- run$artifact("scope")
  expect_identical(scope$a, 1:3)
  expect_identical(scope$itself, scope)
  expect_true(bindingIsLocked("a", scope))
  model <- lm(mpg ~ wt, mtcars)
  expect_identical(run$artifact("model")$coefficients, model$coefficients)
  expect_identical(run$artifact("predicted"), predict(model, data.frame(wt = 3)))
  expect_equal(predict(run$artifact("smooth"), 3), predict(loess(mpg ~ wt, mtcars), 3))
  expect_equal(run$artifact("curve")(2.5), 6.25)
  expect_equal(run$artifact("cdf")(2), 2 / 3)
})

test_that("classes of packages survive: tibbles, data.tables", {
  skip_if_not_installed("tibble")
  skip_if_not_installed("data.table")
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("TableFlow") %>%
      step(step = "start", foreach = "rows", next_step = "row", r_function = function(self) {
        self$tibble <- tibble::tibble(x = 1:2, y = list("a", NULL))
        self$table <- data.table::data.table(x = c(1, NA), key = "x")
        self$rows <- tibble::tibble(id = 1:2, kind = factor(c("a", "b")))
      }) %>%
      step(step = "row", next_step = "join", r_function = function(self) self$row <- self$input) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        merge_artifacts(self, inputs, exclude = "row")
        self$row_classes <- lapply(inputs, function(i) class(i$row))
        self$back <- do.call(rbind, gather_inputs(inputs, "row"))
      }) %>%
      step(step = "end", r_function = function(self) {
        library(data.table)
        self$sum <- self$table[!is.na(x), sum(x)]
        self$table[, added := 1L]
      }) %>%
      run()
  ')
  run_flow_well(folder)
  run <- flow_client$new("TableFlow")$latest_run
  expect_identical(run$artifact("tibble"), tibble::tibble(x = 1:2, y = list("a", NULL)))
  table <- run$artifact("table")
  expect_s3_class(table, c("data.table", "data.frame"), exact = TRUE)
  expect_identical(as.data.frame(table), data.frame(x = c(NA, 1)))
  expect_identical(run$artifact("sum"), 1)
  expect_identical(run$artifact("row_classes"), rep(list(c("tbl_df", "tbl", "data.frame")), 2))
  expect_identical(run$artifact("back"), tibble::tibble(id = 1:2, kind = factor(c("a", "b"))))
})
