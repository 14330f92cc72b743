# Forks of a process of its own: what it runs in it and prints is read from files.
forked <- function(prepare, step, folder) {
  run_forked_in(folder, prepare, step)
  result <- file.path(folder, "task", "result.json")
  list(
    answer = readLines(file.path(folder, "answer"), warn = FALSE),
    x = if (file.exists(result)) {
      item <- parse_json(readLines(result, warn = FALSE))$artifacts$x
      read_value(file.path(folder, "task", item$file), item$offset, item$size)
    }
  )
}

run_forked_in <- function(folder, prepare, step, status = 0L) {
  skip_on_os("windows")
  script <- file.path(folder, "fork.R")
  writeLines(c(
    "ns <- asNamespace('metaflow'); the <- ns$the", prepare,
    sprintf("dir.create('%s/work'); setwd('%s/work')", folder, folder),
    sprintf("step <- %s", paste(deparse(step), collapse = "\n")),
    sprintf("blobs <- '%s'", folder),
    "ns$write_value(list(format = 1L, functions = list(s = step), globals = structure(list(), names = character()), packages = character(),",
    "  rng = RNGkind(), reached = list(s = character())), file.path(blobs, 'code'))",
    "ns$worker_init(list(code = file.path(blobs, 'code'), blobs = blobs, parameters = list(), current = list(flow_name = 'F', run_id = '1')))",
    "order <- ns$json(list(op = 'task', step = 's', task = '1', attempt = 0L, dir = file.path(blobs, 'task'), seed = 1L, stack = list()))",
    "cat(ns$run_forked(order), file = file.path(blobs, 'answer'))"
  ), script)
  ended <- processx::run(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), env = c("current", worker_environment()), error_on_status = FALSE)
  expect_identical(ended$status, status)
}

fallback <- "invisible(ns$find_fork_calls(NULL)); invisible(ns$find_json_calls(NULL)); invisible(ns$find_file_calls(NULL))"

test_that("a child says that it is done, with the routines that we know and by the functions of parallel", {
  for (prepare in c("", fallback)) {
    done <- forked(prepare, function(self) self$x <- Sys.getpid(), withr::local_tempdir())
    expect_identical(done$answer, "{\"t\":\"end\",\"finished\":true}")
    expect_false(done$x == Sys.getpid())
  }
})

test_that("a child that vanishes is told from one that is done", {
  for (prepare in c("", fallback)) {
    done <- forked(prepare, function(self) tools::pskill(Sys.getpid(), tools::SIGKILL), withr::local_tempdir())
    expect_identical(done, list(answer = "{\"t\":\"end\",\"finished\":false}", x = NULL))
  }
})

test_that("a task whose worker is killed ends, and says nothing of it in its log", {
  skip_if_not(file.exists("/proc/self/stat"))
  for (prepare in c("", fallback)) {
    folder <- withr::local_tempdir()
    run_forked_in(folder, prepare, function(self) {
      self$x <- Sys.getpid()
      writeLines(as.character(Sys.getpid()), "../pid")
      tools::pskill(as.integer(strsplit(readLines("/proc/self/stat"), " ")[[1]][[4]]), tools::SIGKILL)
    }, -9L)
    task <- file.path(folder, "task")
    child <- as.integer(readLines(file.path(folder, "pid")))
    for (i in 1:600) if (is_running(child)) Sys.sleep(0.05) else break
    expect_false(is_running(child))
    expect_true(file.exists(file.path(task, "result.json")))
    expect_identical(readLines(file.path(task, "stderr.log")), character())
  }
})

test_that("R compiles in a child as it does in a session", {
  for (prepare in c("", fallback)) {
    expect_identical(forked(prepare, function(self) self$x <- compiler::enableJIT(-1), withr::local_tempdir())$x, compiler::enableJIT(-1))
  }
})

test_that("the routines of parallel that are installed are the ones that we know", {
  skip_on_os("windows")
  expect_type(native_fork_calls(), "list")
})

test_that("the step of an order is read without parsing it", {
  expect_identical(step_named_in(json(list(op = "task", step = "fit_all", task = "1"))), "fit_all")
})

test_that("parallel forgets its dead children before each fork", {
  called <- character()
  note <- function(name, value) function(...) {
    called <<- c(called, name)
    value
  }
  before <- the$fork_calls
  withr::defer(the$fork_calls <- before)
  the$fork_calls <- list(compact = note("compact", NULL), fork = note("fork", 1L), select = note("select", NULL))
  for (i in 1:2) run_forked("{\"op\":\"task\",\"step\":\"s\"}")
  expect_identical(called, rep(c("compact", "fork", "select"), 2))
  the$fork_calls <- before
  for (calls in list(native_fork_calls(), find_fork_calls(NULL))) expect_null(calls$compact())
})
