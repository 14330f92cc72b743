local_candidates <- function(...) {
  defaults <- c(METAFLOW_PYTHON = "", RETICULATE_PYTHON = "", environment = "", system = "")
  given <- c(...)
  defaults[names(given)] <- given
  defaults
}

test_that("the first Python that exists is taken, named ones first", {
  python <- withr::local_tempfile(lines = "")
  other <- withr::local_tempfile(lines = "")
  expect_identical(find_python(local_candidates(system = python)), python)
  expect_identical(find_python(local_candidates(environment = other, system = python)), other)
  expect_identical(find_python(local_candidates(environment = "/nowhere/python", system = python)), python)
  expect_identical(find_python(local_candidates(RETICULATE_PYTHON = other, environment = python)), other)
  expect_identical(find_python(local_candidates(METAFLOW_PYTHON = python, RETICULATE_PYTHON = other)), python)
})

test_that("a named Python that does not exist, or none at all, is an error with the cure", {
  expect_snapshot(error = TRUE, {
    find_python(local_candidates(METAFLOW_PYTHON = "/nowhere/python", system = "/usr/bin/python3"))
    find_python(local_candidates(RETICULATE_PYTHON = "/nowhere/python"))
    find_python(local_candidates())
  })
  expect_error(find_python(local_candidates()), class = "metaflow_setup_error")
})

test_that("the environment of install_metaflow() follows METAFLOW_VENV and WORKON_HOME", {
  withr::local_envvar(METAFLOW_VENV = NA, WORKON_HOME = "/envs", METAFLOW_PYTHON = NA, RETICULATE_PYTHON = NA)
  expect_identical(python_candidates()[["environment"]], file.path("/envs", "r-metaflow", venv_bin(), "python"))
  withr::local_envvar(METAFLOW_VENV = "/my/venv")
  expect_identical(python_candidates()[["environment"]], file.path("/my/venv", venv_bin(), "python"))
})

test_that("without any environment the system's Python runs a flow: the core needs nothing but the standard library", {
  folder <- local_flow_folder()
  write_flow(folder, 'metaflow("BareFlow") %>% step(step = "start", next_step = "end", r_function = function(self) self$x <- 1) %>% step(step = "end") %>% run()')
  done <- run_flow(folder, env = c(METAFLOW_PYTHON = NA, RETICULATE_PYTHON = NA, METAFLOW_VENV = NA, WORKON_HOME = file.path(folder, "none")))
  expect_identical(done$status, 0L, info = done$stderr)
  expect_identical(flow_client$new("BareFlow")$latest_run$artifact("x"), 1)
})

test_that("a Python that cannot be started is named in one clear error", {
  folder <- local_flow_folder()
  broken <- file.path(folder, "python")
  writeLines(c("#!/bin/sh", "exit 1"), broken)
  Sys.chmod(broken, "0755")
  write_flow(folder, 'metaflow("BareFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end") %>% run()')
  done <- run_flow(folder, env = c(METAFLOW_PYTHON = broken))
  expect_identical(done$status, 1L)
  expect_match(done$stderr, paste0("Error: Python at ", broken, " cannot be started"), fixed = TRUE)
  expect_match(done$stderr, "Choose another one with METAFLOW_PYTHON", fixed = TRUE)
})
