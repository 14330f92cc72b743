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

test_that("a script that ends with its one run() is known", {
  ends <- function(...) ends_with_run(withr::local_tempfile(lines = c(...)))
  expect_true(ends("library(metaflow)", "metaflow(\"F\") %>%", "  step(step = \"start\", next_step = \"end\") %>%", "  step(step = \"end\") %>%", "  run()"))
  expect_true(ends("flow <- metaflow(\"F\")", "run(flow, alpha = 1)"))
  expect_true(ends("flow <- metaflow(\"F\")", "metaflow::run(flow)"))
  expect_true(ends("flow <- metaflow(\"F\")", "flow %>% metaflow::run()"))
  expect_false(ends("result <- run(metaflow(\"F\"))"))
  expect_false(ends("run(metaflow(\"F\"))", "print(mf_runs())"))
  expect_false(ends("run(metaflow(\"F\"))", "run(metaflow(\"G\"))"))
  expect_false(ends("source(\"other.R\")"))
  expect_false(ends("if (TRUE) run(metaflow(\"F\"))"))
  expect_false(ends("x <- ("))
  expect_false(ends(""))
  expect_false(ends_with_run(NULL))
})

# A numpy that writes down each time that it is loaded.
local_numpy <- function(env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  loaded <- file.path(folder, "loaded")
  writeLines(sprintf("open(%s, 'a').write('once\\n')\n__version__ = '1.0'\n__path__ = ['here']", encodeString(loaded, quote = "'")), file.path(folder, "numpy.py"))
  list(folder = folder, times = function() if (file.exists(loaded)) length(readLines(loaded)) else 0L)
}

test_that("a process that only drives a run starts Python without numpy, which Python code still finds", {
  numpy <- local_numpy()
  start <- function(strings_only) {
    code <- sprintf("the <- asNamespace('metaflow')$the; assign('strings_only', %s, envir = the); metaflow:::start_python()
      reticulate::py_run_string('import os, sys, subprocess
print([folder for folder in sys.path + os.environ[\"PYTHONPATH\"].split(os.pathsep) if \"without\" in folder])
subprocess.run([sys.executable, \"-c\", \"import numpy; print(numpy.__version__)\"])
import numpy
print(numpy.__version__)')
      cat(Sys.getenv('PYTHONPATH'), '\\n', sep = '')", strings_only)
    withr::with_envvar(c(PYTHONPATH = numpy$folder), processx::run(file.path(R.home("bin"), "Rscript"), c("--vanilla", "-e", code)))$stdout
  }
  as_before <- start(FALSE)
  usual <- numpy$times()
  expect_identical(start(TRUE), as_before)
  expect_match(as_before, "^1.0\n\\[\\]\n1.0\n|^\\[\\]\n1.0\n1.0\n")
  # By the process that looks, and here, where it is asked for.
  expect_identical(numpy$times() - usual, 2L)
  expect_gt(usual, 2L)
})

test_that("a flow that runs to the end of its script does not load numpy, one with more to come does", {
  numpy <- local_numpy()
  folder <- local_flow_folder()
  flow <- 'metaflow("BareFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end") %>% run()'
  run_it <- function(text) {
    write_flow(folder, text)
    expect_identical(run_flow(folder, env = c(PYTHONPATH = numpy$folder))$status, 0L)
    numpy$times()
  }
  expect_identical(run_it(flow), 0L)
  expect_gt(run_it(c(flow, "invisible(1)")), 0L)
  loaded <- numpy$times()
  expect_gt(run_it(sub(" %>% run", ' %>% parameter("now", default = function() 1) %>% run', flow, fixed = TRUE)), loaded)
})
