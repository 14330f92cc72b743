test_that("columns from the core keep NULL as NA", {
  expect_identical(text_column(list("a", NULL, 3L)), c("a", NA, "3"))
  expect_identical(number_column(list(1L, NULL, 2.5)), c(1, NA, 2.5))
  expect_identical(whole_column(list(1L, NULL)), c(1L, NA))
  expect_identical(flag_column(list(TRUE, NULL, FALSE)), c(TRUE, NA, FALSE))
  expect_identical(text_column(list()), character())
  expect_s3_class(time_column(list(0, NULL)), "POSIXct")
})

test_that("seconds run on while something runs", {
  now <- as.numeric(Sys.time())
  seconds <- seconds_column(list(10, now - 5, 10, NULL), list(12, NULL, NULL, NULL), c(FALSE, TRUE, FALSE, FALSE))
  expect_identical(seconds[c(1, 3, 4)], c(2, NA, NA))
  expect_gte(seconds[[2]], 5)
})

test_that("tables are data frames that print seconds and bytes for people", {
  table <- new_table(name = c("a", NA), seconds = c(0.0123, 75), bytes = c(1, NA), when = .POSIXct(c(0, NA), tz = "UTC"))
  expect_s3_class(table, c("metaflow_table", "data.frame"), exact = TRUE)
  expect_identical(table$seconds, c(0.0123, 75))
  expect_identical(sum(table$seconds), 75.0123)
  expect_snapshot({
    table
    table[1, c("name", "seconds")]
    table[0, ]
  })
})
