splits_of <- function(value) {
  folder <- withr::local_tempdir()
  task <- local_task(artifacts = list(x = value))
  staged <- stage_splits("x", folder)
  offsets <- cumsum(c(0, utils::head(staged$sizes, -1)))
  values <- lapply(seq_len(staged$count), function(i) read_value(file.path(folder, staged$file), offsets[[i]], staged$sizes[[i]]))
  list(count = staged$count, values = values, labels = unclass(staged$labels))
}

test_that("vectors and lists are split by element", {
  expect_identical(splits_of(c(a = 1, b = NA))$values, list(1, NA_real_))
  expect_identical(splits_of(list(1, NULL, "x"))$values, list(1, NULL, "x"))
  expect_identical(splits_of("only")$values, list("only"))
  expect_identical(splits_of(1:3)$count, 3L)
  expect_identical(splits_of(as.Date(c("2024-01-01", NA)))$values, list(as.Date("2024-01-01"), as.Date(NA)))
  expect_identical(splits_of(factor(c("b", "a")))$values, list(factor("b", levels = c("a", "b")), factor("a", levels = c("a", "b"))))
  expect_identical(splits_of(expression(a + b, c))$values, list(quote(a + b), quote(c)))
})

test_that("data frames are split by row, keeping column types", {
  frame <- data.frame(n = c(1L, NA), kind = factor(c("a", "b")), day = as.Date(c(NA, "2024-01-01")), row.names = c("r1", "r2"))
  frame$list <- list(1:2, NULL)
  expect_identical(splits_of(frame)$values, list(frame[1, ], frame[2, ]))
  expect_identical(splits_of(data.frame(x = 1:2))$values, list(data.frame(x = 1L), data.frame(x = 2L, row.names = 2L)))
})

test_that("nothing to split gives no splits", {
  for (nothing in list(NULL, character(), list(), mtcars[0, ], data.frame())) expect_identical(splits_of(nothing)$count, 0L)
})

test_that("a matrix is split by element, as a loop over it would", {
  expect_identical(splits_of(matrix(1:4, 2))$count, 4L)
})

test_that("splits have labels that people recognise them by", {
  expect_identical(splits_of(c(a = 1, b = 2))$labels, c("a", "b"))
  expect_identical(splits_of(c("x", "y"))$labels, c("x", "y"))
  expect_identical(splits_of(factor(c("b", "a")))$labels, c("b", "a"))
  expect_identical(splits_of(as.Date("2024-01-01"))$labels, "2024-01-01")
  expect_null(splits_of(list(1, 2))$labels)
  expect_null(splits_of(mtcars[1:2, ])$labels)
})

test_that("what cannot be split, or does not exist, is an error with the cure", {
  folder <- withr::local_tempdir()
  local_task(artifacts = list(f = mean, e = new.env(), xs = 1:3))
  expect_snapshot(error = TRUE, {
    stage_splits("f", folder)
    stage_splits("e", folder)
    stage_splits("x", folder)
  })
})

test_that("a switch names its case by a single value", {
  local_task(artifacts = list(
    yes = TRUE, n = 2L, x = 0.5, text = "a", day = as.Date("2024-02-29"), none = NULL, many = c("a", "b"), na = NA,
    f = factor("b", levels = c("a", "b")), l = list("a")
  ))
  expect_identical(switch_key("yes", c("TRUE", "FALSE")), "TRUE")
  expect_identical(switch_key("n", c("1", "2")), "2")
  expect_identical(switch_key("x", c("0.5", "1")), "0.5")
  expect_identical(switch_key("text", c("a", "b")), "a")
  expect_identical(switch_key("day", "2024-02-29"), "2024-02-29")
  expect_identical(switch_key("f", c("a", "b")), "b")
  expect_snapshot(error = TRUE, {
    switch_key("none", "a")
    switch_key("many", "a")
    switch_key("na", "a")
    switch_key("l", "a")
    switch_key("nothing", "a")
    switch_key("yes", c("true", "false"))
    switch_key("text", c("again", "done"))
  })
})
