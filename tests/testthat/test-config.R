value_of <- function(name, rows = config()) rows$value[rows$name == name]
source_of <- function(name, rows = config()) rows$source[rows$name == name]

write_config <- function(folder, text, file = "config.json") {
  dir.create(file.path(folder, "home", ".metaflowconfig"), showWarnings = FALSE)
  writeLines(text, file.path(folder, "home", ".metaflowconfig", file))
}

test_that("every setting is shown with its value and where it came from", {
  folder <- local_flow_folder()
  rows <- config()
  expect_s3_class(rows, c("metaflow_config", "data.frame"), exact = TRUE)
  expect_named(rows, c("name", "value", "source"))
  rows$value[rows$name == "max_workers"] <- "2"
  rows$value[rows$name == "isolation"] <- "fork"
  expect_snapshot(writeLines(steady(utils::capture.output(print(rows)))))
})

test_that("file, environment, option: the later wins", {
  folder <- local_flow_folder()
  expect_identical(source_of("max_workers"), "default")
  write_config(folder, '{"METAFLOW_MAX_WORKERS": 3, "max_num_splits": 77}')
  expect_identical(value_of("max_workers"), "3")
  expect_identical(value_of("max_num_splits"), "77")
  expect_match(source_of("max_workers"), "config.json")
  withr::local_envvar(METAFLOW_MAX_WORKERS = "4")
  expect_identical(value_of("max_workers"), "4")
  expect_match(source_of("max_workers"), "METAFLOW_MAX_WORKERS")
  withr::local_options(metaflow.max_workers = 5)
  expect_identical(value_of("max_workers"), "5")
  expect_match(source_of("max_workers"), "metaflow.max_workers")
  expect_identical(value_of("max_num_splits"), "77")
})

test_that("METAFLOW_PROFILE picks another file", {
  folder <- local_flow_folder()
  write_config(folder, '{"METAFLOW_DEFAULT_NAMESPACE": "user:plain"}')
  write_config(folder, '{"METAFLOW_DEFAULT_NAMESPACE": "user:special"}', "config_work.json")
  expect_identical(value_of("default_namespace"), "user:plain")
  withr::local_envvar(METAFLOW_PROFILE = "work")
  expect_identical(value_of("default_namespace"), "user:special")
  withr::local_envvar(METAFLOW_PROFILE = "absent")
  expect_snapshot(error = TRUE, config(), transform = steady)
})

test_that("wrong settings say which, where, and what is wanted", {
  folder <- local_flow_folder()
  withr::with_envvar(c(METAFLOW_MAX_WORKERS = "many"), expect_snapshot(error = TRUE, config()))
  withr::with_options(list(metaflow.isolation = "spoon"), expect_snapshot(error = TRUE, config()))
  write_config(folder, '{"METAFLOW_MAX_WORKERS": }')
  expect_snapshot(error = TRUE, config(), transform = steady)
  expect_error(config(), class = "metaflow_settings_error")
})

test_that("settings are those of now, not of when Python started", {
  folder <- local_flow_folder()
  config()
  withr::local_envvar(METAFLOW_USER = "somebody")
  expect_identical(value_of("user"), "somebody")
  expect_identical(value_of("datastore_root"), file.path(folder, "store"))
})

test_that("Rscript -e 'metaflow::config()' shows them", {
  folder <- local_flow_folder()
  done <- withr::with_envvar(c(TESTTHAT = NA), processx::run(
    file.path(R.home("bin"), "Rscript"), c("-e", "metaflow::config()"), wd = folder, error_on_status = FALSE
  ))
  expect_identical(done$status, 0L)
  expect_match(done$stdout, "user +tester +environment METAFLOW_USER")
})

test_that("the settings decide how a flow runs", {
  folder <- local_flow_folder()
  write_config(folder, '{"METAFLOW_ISOLATION": "fresh", "METAFLOW_DATASTORE_ROOT": "ignored"}')
  flow <- metaflow("SettingFlow") %>%
    step(step = "start", next_step = "end", r_function = function(self) self$first <- Sys.getpid()) %>%
    step(step = "end", r_function = function(self) self$worker <- tail(commandArgs(), 1))
  withr::local_options(metaflow.datastore_root = file.path(folder, "by option"))
  utils::capture.output(result <- run(flow))
  expect_true(dir.exists(file.path(folder, "by option", "flows")))
  expect_match(result$run$artifact("worker"), "fresh")
})
