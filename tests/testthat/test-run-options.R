fits <- function(name, value) run_option_rules[[name]]$fits(value)

test_that("what an option may be", {
  for (name in c("max_workers", "max_num_splits")) {
    for (good in list(1, 2L, 1e6)) expect_true(fits(name, good))
    for (bad in list(0, -1, 1.5, NA, NaN, Inf, "2", TRUE, c(1, 2), integer(), list(1))) expect_false(fits(name, bad))
  }
  for (good in list(0, -5, 2^31, 1L)) expect_true(fits("seed", good))
  for (bad in list(NA, Inf, 1.5, "1", 1:2)) expect_false(fits("seed", bad))
  for (good in list("a", c("a", "b c"), list("a", "b"), "\u00fc", character())) expect_true(fits("tag", good))
  for (bad in list("", " ", NA_character_, c("a", ""), "a\nb", strrep("x", 501), 1)) expect_false(fits("tag", bad))
  for (good in list(TRUE, FALSE, "start")) expect_true(fits("resume", good))
  for (bad in list(NA, 1, "", c("a", "b"))) expect_false(fits("resume", bad))
  for (good in list("12", 12, 12L)) expect_true(fits("origin_run_id", good))
  for (bad in list(NA, "", 1.5, 1:2)) expect_false(fits("origin_run_id", bad))
  expect_true(fits("run_id_file", file.path(tempdir(), "id")))
  expect_false(fits("run_id_file", "/nowhere/at/all/id"))
})

test_that("options that were not given, and those without a rule, pass", {
  expect_silent(check_run_options(list(max_workers = NULL, with = 1)))
  expect_identical(check_run_options(list(seed = 1)), list(seed = 1))
})

test_that("a wrong option is named with what it must be", {
  expect_error(check_run_options(list(seed = 1, max_workers = "two")), "max_workers must be a whole number from 1, not \"two\".", class = "metaflow_usage_error")
  expect_error(check_run_options(list(tag = NA)), "tag must be texts of 1 to 500 printable characters, not NA.", class = "metaflow_usage_error")
})
