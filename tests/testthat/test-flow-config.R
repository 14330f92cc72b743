stem <- function() metaflow("ConfigFlow")

configured <- function(flow, ...) with_config_values(flow, list(...))

value_of_config <- function(flow, ...) configured(flow, ...)$parameters$train$value

test_that("JSON, YAML and TOML read the same, whoever reads them", {
  folder <- local_flow_folder()
  writeLines('{"memory": 600, "deep": {"xs": [1.5, 2], "flag": true}, "none": null}', "train.json")
  writeLines(c("memory: 600", "deep: {xs: [1.5, 2], flag: true}", "none: ~"), "train.yaml")
  wanted <- list(memory = 600L, deep = list(xs = c(1.5, 2), flag = TRUE), none = NULL)
  expect_identical(value_of_config(stem() %>% config("train", default = "train.json")), wanted)
  expect_identical(value_of_config(stem() %>% config("train", default = "train.yaml")), wanted)
  expect_identical(value_of_config(stem() %>% config("train", default = wanted)), wanted)
  file.copy("train.yaml", "train.txt")
  expect_identical(value_of_config(stem() %>% config("train", default = "train.txt", parser = "yaml")), wanted)
  expect_identical(value_of_config(stem() %>% config("train", default = "train.txt", parser = function(text) list(size = nchar(text)))), list(size = as.integer(file.size("train.txt"))))
  expect_null(value_of_config(stem() %>% config("train")))
  python <- processx::run(test_python(), c("-c", "import tomllib"), error_on_status = FALSE)
  if (python$status == 0L) {
    writeLines(c("memory = 600", "[deep]", "xs = [1.5, 2]", "flag = true"), "train.toml")
    expect_identical(value_of_config(stem() %>% config("train", default = "train.toml")), wanted[1:2])
  }
})

test_that("files and values that are given win", {
  folder <- local_flow_folder()
  writeLines('{"memory": 1}', "a.json")
  writeLines('{"memory": 2}', "b.json")
  flow <- stem() %>% config("train", default = "a.json")
  expect_identical(value_of_config(flow, config = list(train = "b.json")), list(memory = 2L))
  expect_identical(value_of_config(flow, config_value = list(train = list(memory = 3))), list(memory = 3L))
  expect_identical(value_of_config(flow, config_value = c(train = '{"memory": 4}')), list(memory = 4L))
  typed <- parse_command(flow, c("--config", "train", "b.json", "run"))
  expect_identical(typed$options[["config"]], list(train = "b.json"))
  expect_identical(parse_command(flow, c("run", "--config=train=b.json"))$options[["config"]], list(train = "b.json"))
  expect_identical(parse_command(flow, c("show", "--config-value", "train", '{"a": "x=y"}'))$options$config_value, list(train = '{"a": "x=y"}'))
})

test_that("cfg() stands for a value in decorators and defaults, before they are checked", {
  flow <- stem() %>%
    config("train", default = list(memory = 4000, alpha = 0.1, env = list(THREADS = 4), steps = list(list(n = 1), list(n = 2)))) %>%
    parameter("alpha", default = cfg("train.alpha")) %>%
    parameter("n", default = cfg("train.steps.2.n"), type = "int") %>%
    step(resources(memory = cfg("train.memory"), cpu = cfg("train.cpu", default = 2)), environment_variables(THREADS = cfg("train.env.THREADS")), step = "start", next_step = "end") %>%
    step(step = "end")
  expect_output(print(flow), "resources(cpu = cfg(\"train.cpu\"), memory = cfg(\"train.memory\"))", fixed = TRUE)
  ready <- configured(flow)
  arguments <- lapply(ready$steps$start$decorators, function(d) d$arguments)
  expect_identical(arguments, list(list(cpu = 2, memory = 4000L), list(THREADS = "4")))
  expect_identical(parameter_values(ready, list())[c("alpha", "n")], list(alpha = 0.1, n = 2L))
  # The flow itself is as it was, and show reads the defaults.
  expect_true(is_cfg(flow$steps$start$decorators[[1]]$arguments$memory))
  expect_identical(flow_spec(flow)$steps[[1]]$decorators[[1]]$args$memory, 4000L)
})

test_that("mistakes are told with the cure", {
  folder <- local_flow_folder()
  writeLines('{"memory": ', "broken.json")
  flow <- stem() %>% config("train", default = list(memory = 1))
  expect_snapshot(error = TRUE, {
    stem() %>% config()
    stem() %>% config("train", default = 1)
    stem() %>% config("train", parser = "xml")
    stem() %>% config("train") %>% parameter("train")
    configured(stem() %>% config("train", required = TRUE))
    configured(stem() %>% config("train", default = "nowhere.json"))
    configured(flow, config = list(tarin = "a.json"))
    configured(flow, config_value = list("a"))
    configured(flow, config = list(train = "a.json"), config_value = list(train = list()))
    configured(flow, config_value = list(train = "{"))
    configured(stem() %>% config("train", default = "broken.json"))
    configured(flow %>% step(resources(memory = cfg("train.memroy")), step = "start"))
    configured(flow %>% step(resources(memory = cfg("tarin.memory")), step = "start"))
    configured(flow %>% step(retry(times = cfg("train.times")), step = "start"), config_value = list(train = list(times = "often")))
    cfg("train.memory") * 2
    cfg(3)
    run(flow, config = "a.json")
    parse_command(flow, c("run", "--config", "train"))
    parse_command(flow, c("run", "--config=train"))
  })
})

test_that("a run keeps its configuration, steps read it, and a resumed run has it again unless another is given", {
  folder <- local_flow_folder()
  writeLines('{"memory": 64, "fail": true}', "train.json")
  write_flow(folder, '
    metaflow("ConfigFlow") %>%
      config("train", default = "train.json") %>%
      step(resources(memory = cfg("train.memory")), step = "start", next_step = "end",
           r_function = function(self) self$read <- c(self$train$memory, cfg("train.memory"), cfg("train.other", 7L))) %>%
      step(step = "end", r_function = function(self) if (cfg("train.fail")) stop("on purpose")) %>%
      run()
  ')
  expect_identical(run_flow(folder, "run")$status, 1L)
  # The file has changed since; the run that is resumed had the old one.
  writeLines('{"memory": 65, "fail": false}', "train.json")
  expect_identical(run_flow(folder, "resume")$status, 1L)
  expect_identical(run_flow(folder, "resume", "--config", "train", "train.json")$status, 0L)
  expect_identical(run_flow(folder, "run", "--config-value", "train", '{"memory": 66, "fail": false}')$status, 0L)
  flow <- flow_client$new("ConfigFlow")
  expect_identical(lapply(1:4, function(i) flow$run(i)$parameters$train$memory), list(64L, 64L, 65L, 66L))
  expect_identical(flow$run(3)$artifact("read"), c(64L, 64L, 7L))
  expect_identical(flow$run(4)$artifact("read"), c(66L, 66L, 7L))
  record <- parse_json(paste(readLines("store/flows/ConfigFlow/4/run.json", warn = FALSE), collapse = ""))
  expect_identical(record$configs$train, list(value = list(memory = 66L, fail = FALSE), source = "value"))
  expect_identical(record$spec$steps[[1]]$decorators[[1]]$args$memory, 66L)
})

test_that("a configuration that is not there is named", {
  expect_snapshot(error = TRUE, {
    metaflow("F") %>% step(resources(memory = cfg("train.memory")), step = "start", next_step = "end") %>% step(step = "end") %>% run()
    cfg("train.memory")
  })
  expect_snapshot({
    cfg("train.memory", default = 1)
    step_decorator("shown", before = function(ctx) NULL)
  })
})
