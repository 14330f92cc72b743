flow <- function() {
  metaflow("CliFlow") %>%
    parameter("alpha", default = 0.5) %>%
    parameter("learning_rate", default = 0.5) %>%
    parameter("path", help = "where it is") %>%
    parameter("verbose", is_flag = TRUE) %>%
    parameter("user", default = "none") %>%
    parameter("tag", default = "none") %>%
    step(step = "start", next_step = "end") %>%
    step(step = "end")
}

parsed <- function(...) parse_command(flow(), c(...))

test_that("no word means run; the first word that is no option names the command", {
  expect_identical(parsed()$command, "run")
  expect_identical(parsed("run")$command, "run")
  expect_identical(parsed("--alpha", "1")$command, "run")
  expect_identical(parsed("--alpha", "show")$parameters, list(alpha = "show"))
  expect_identical(parsed("show")$command, "show")
  expect_identical(parsed("--datastore-root", "/data", "list")$command, "list")
  expect_identical(parsed("--datastore-root=/data", "list")$options$datastore_root, "/data")
  expect_identical(parsed("--namespace", "user:bob", "list")$options$namespace, "user:bob")
  expect_identical(parsed("--help")$command, "help")
  expect_identical(parsed("-h")$command, "help")
  expect_identical(parsed("--version")$command, "version")
  expect_true(parsed("run", "--help")$options$help)
  expect_true(parsed("run", "-h")$options$help)
})

test_that("values keep their spaces, dashes, underscores and equal signs", {
  expect_identical(parsed("run", "--path", "data_set-v1 (copy).csv")$parameters$path, "data_set-v1 (copy).csv")
  expect_identical(parsed("run", "--path=a=b=c")$parameters$path, "a=b=c")
  expect_identical(parsed("run", "--path=")$parameters$path, "")
  expect_identical(parsed("run", "--path", "")$parameters$path, "")
  expect_identical(parsed("run", "--path", "--verbose")$parameters$path, "--verbose")
  expect_identical(parsed("run", "--alpha", "-1")$parameters$alpha, "-1")
  expect_identical(parsed("run", "--path", "\u00fc \u4e16")$parameters$path, "\u00fc \u4e16")
  expect_identical(parsed("run", "--path", "'quoted' \"twice\"")$parameters$path, "'quoted' \"twice\"")
})

test_that("in names of options dashes and underscores are the same", {
  for (typed in c("--learning_rate", "--learning-rate")) expect_identical(parsed("run", typed, "1")$parameters, list(learning_rate = "1"))
  for (typed in c("--max_workers", "--max-workers")) expect_identical(parsed("run", typed, "1")$options, list(max_workers = "1"))
})

test_that("flags stand alone, or with a value after =", {
  expect_identical(parsed("run", "--verbose")$parameters, list(verbose = TRUE))
  expect_identical(parsed("run", "--verbose=false")$parameters, list(verbose = "false"))
  expect_identical(parsed("run", "--verbose", "--alpha", "1")$parameters, list(verbose = TRUE, alpha = "1"))
  expect_true(parsed("list", "--json")$options$json)
})

test_that("a parameter wins over an option of the same name; the option is then out of reach", {
  expect_identical(parsed("run", "--user", "alice", "--tag", "x")$parameters, list(user = "alice", tag = "x"))
  plain <- metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end")
  expect_identical(parse_command(plain, c("run", "--tag", "x", "--tag", "y z"))$options$tag, c("x", "y z"))
})

test_that("an option given twice keeps the last value, one that may repeat keeps all", {
  expect_identical(parsed("run", "--alpha", "1", "--alpha", "2")$parameters, list(alpha = "2"))
  expect_identical(parsed("run", "--with", "retry", "--with=catch:var=e")$options$with, c("retry", "catch:var=e"))
})

test_that("words follow commands that take them", {
  expect_identical(parsed("resume", "fit")$words, "fit")
  expect_identical(parsed("logs", "show", "12/fit")$words, c("show", "12/fit"))
  expect_identical(parsed("tag", "add", "a", "b c")$words, c("add", "a", "b c"))
  expect_identical(parsed("tag", "--run-id", "3", "list")$options$run_id, "3")
})

test_that("what nobody knows is refused with a suggestion", {
  expect_snapshot(error = TRUE, {
    parsed("rnu")
    parsed("Run")
    parsed("xylophone")
    parsed("run", "now")
    parsed("show", "graph")
    parsed("run", "--alhpa", "1")
    parsed("run", "--max-worker", "1")
    parsed("run", "--xylophone", "1")
    parsed("run", "--alpha")
    parsed("run", "--max-workers")
    parsed("run", "-a")
    parsed("run", "--")
    parsed("run", "--=3")
    parsed("resume", "--alpha", "1")
    parsed("show", "--max-workers", "1")
    parsed("--xylophone")
    parsed("list", "--limit")
    parsed("list", "--json=maybe")
  })
  for (typed in list("rnu", c("run", "now"), c("run", "--alhpa", "1"), c("run", "--alpha"))) {
    expect_error(parsed(typed), class = "metaflow_usage_error")
  }
})

test_that("the number options are numbers", {
  expect_identical(typed_numbers(list(max_workers = "2", seed = "-5")), list(max_workers = 2, seed = -5))
  expect_snapshot(error = TRUE, {
    typed_numbers(list(max_workers = "0"))
    typed_numbers(list(max_workers = "two"))
    typed_numbers(list(max_workers = "1.5"))
    typed_numbers(list(max_num_splits = "-1"))
    typed_numbers(list(seed = "now"))
    typed_numbers(list(seed = "Inf"))
  })
})

test_that("a pathspec may be typed without the flow's name", {
  expect_identical(typed_pathspec(flow(), "12/fit", "dump"), "CliFlow/12/fit")
  expect_identical(typed_pathspec(flow(), "CliFlow/12", "dump"), "CliFlow/12")
  expect_snapshot(error = TRUE, {
    typed_pathspec(flow(), character(), "dump")
    typed_pathspec(flow(), c("1", "2"), "dump")
  })
})
