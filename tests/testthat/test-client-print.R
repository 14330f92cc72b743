test_that("facts that are unknown are left out, and long ones wrap at the console's width", {
  withr::local_options(cli.width = 40, width = 40)
  expect_snapshot({
    print_facts("<head>", list(a = "1", none = NULL, empty = "", names = paste(letters, collapse = ", "), lines = c("x", "y")))
    print_facts("<head>", list())
    print_table(list(name = c("a", "long name"), empty = c("", ""), value = c("1", paste(letters, collapse = ""))))
  })
})

test_that("colours appear on a terminal only", {
  withr::local_options(cli.num_colors = 1L)
  expect_false(cli::ansi_has_any(headline("run", "F/1", "failed")))
  withr::local_options(cli.num_colors = 256L)
  expect_true(cli::ansi_has_any(headline("run", "F/1", "failed")))
  expect_identical(cli::ansi_strip(headline("run", "F/1", "failed")), "<metaflow run> F/1: failed")
})

test_that("times and spans", {
  withr::local_envvar(TZ = "UTC")
  expect_identical(shown_time(0), "1970-01-01 00:00:00")
  expect_null(shown_time(NULL))
  expect_identical(shown_span(0, 61), "1970-01-01 00:00:00, 1 min 01 s")
  expect_identical(shown_span(0, NULL), "1970-01-01 00:00:00")
  expect_match(shown_span(0, NULL, running = TRUE), "so far$")
  expect_null(shown_span(NULL, NULL))
})

test_that("in a narrow console a long name is shortened before other columns are cut off", {
  withr::local_options(cli.width = 40, cli.num_colors = 1L, cli.unicode = FALSE)
  columns <- list(step = c("start", "fit_every_station_of_the_network"), status = c("done", "failed"), tasks = c("1", "12"))
  expect_output(print_table(columns), "fit_every_station_of[.]{3}  failed  12$", width = 40)
})
