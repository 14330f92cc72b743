# A worker process without an engine: orders are written to its stdin, answers read from its stdout.

local_worker <- function(mode = "fork", env = parent.frame()) {
  command <- worker_command(mode)
  process <- withr::with_envvar(c(TESTTHAT = NA, R_TESTS = NA), processx::process$new(
    command[[1]], command[-1], stdin = "|", stdout = "|", stderr = NULL, env = c("current", worker_environment()), cleanup_tree = TRUE
  ))
  withr::defer(process$kill_tree(), envir = env)
  process
}

tell <- function(worker, ...) invisible(worker$write_input(paste0(json(list(...)), "\n")))

# The next answer, or NULL at the end of its output. "writing" is said during a task.
hear <- function(worker, seconds = 60) {
  until <- Sys.time() + seconds
  repeat {
    if (Sys.time() > until) stop("The worker did not answer within ", seconds, " seconds.")
    worker$poll_io(500)
    line <- worker$read_output_lines(1)
    if (length(line)) {
      answer <- parse_json(line)
      if (answer$t != "writing") return(answer)
    } else if (!worker$is_incomplete_output()) {
      return(NULL)
    }
  }
}

# Code and blobs of a flow with these step functions; returns what a worker gets first.
prepared <- function(..., packages = character(), env = parent.frame()) {
  folder <- withr::local_tempdir(.local_envir = env)
  functions <- lapply(list(...), function(f) {
    environment(f) <- globalenv()
    f
  })
  write_value(list(format = 1L, functions = functions, globals = as_object(list()), packages = packages, reached = list()), file.path(folder, "code"))
  list(op = "init", code = file.path(folder, "code"), blobs = folder, parameters = as_object(list()), current = list(flow_name = "F", run_id = "1"))
}

ordered <- function(step, folder, task = "1", ...) {
  list(op = "task", step = step, task = task, attempt = 0L, position = step, dir = file.path(folder, task), seed = 1L, parents = I(character()), stack = list(), frames = list(), ...)
}

outcome <- function(order) {
  path <- file.path(order$dir, "result.json")
  if (file.exists(path)) parse_json(paste(readLines(path, warn = FALSE), collapse = "\n"))
}

test_that("a worker gets ready, runs task after task in a clean state, and ends with its input", {
  worker <- local_worker()
  do.call(tell, c(list(worker), prepared(
    first = function(self) {
      assign("left_behind", 1, globalenv())
      self$x <- 1
    },
    second = function(self) self$x <- exists("left_behind")
  )))
  expect_identical(hear(worker)$t, "ready")
  folder <- withr::local_tempdir()
  for (step in c("first", "second")) {
    order <- ordered(step, folder, task = step)
    do.call(tell, c(list(worker), order))
    answer <- hear(worker)
    expect_identical(answer, list(t = "end", finished = TRUE))
    item <- outcome(order)$artifacts$x
    expect_identical(read_value(file.path(order$dir, item$file), item$offset, item$size), if (step == "first") 1 else FALSE)
  }
  close(worker$get_input_connection())
  worker$wait(10000)
  expect_false(worker$is_alive())
  expect_identical(worker$get_exit_status(), 0L)
})

test_that("the outcome of a task is in its folder: success, error, quit, death", {
  worker <- local_worker()
  do.call(tell, c(list(worker), prepared(
    well = function(self) self$x <- 1,
    fails = function(self) stop("boom"),
    quits = function(self) quit(status = 3),
    dies = function(self) tools::pskill(Sys.getpid(), 9L)
  )))
  hear(worker)
  folder <- withr::local_tempdir()
  told <- list()
  for (step in c("dies", "fails", "quits", "well")) {
    order <- ordered(step, folder, task = step)
    do.call(tell, c(list(worker), order))
    told[[step]] <- c(hear(worker)["finished"], ok = outcome(order)$ok, quit = file.exists(file.path(order$dir, "quit")))
  }
  expect_identical(told$well, list(finished = TRUE, ok = TRUE, quit = FALSE))
  expect_identical(told$fails, list(finished = TRUE, ok = FALSE, quit = FALSE))
  expect_identical(told$quits[c("finished", "quit")], list(finished = FALSE, quit = TRUE))
  expect_identical(told$dies[c("finished", "quit")], list(finished = FALSE, quit = FALSE))
  expect_null(outcome(ordered("dies", folder, task = "dies")))
})

test_that("what a task prints goes to its logs, and nothing of it to the wire", {
  worker <- local_worker()
  do.call(tell, c(list(worker), prepared(talks = function(self) {
    cat("{\"t\":\"end\",\"task\":\"1\"}\n")
    system("echo from the shell; echo shell error >&2")
    message("a message")
    warning("a warning")
    print(1:3)
    cat("no end of line")
  })))
  hear(worker)
  folder <- withr::local_tempdir()
  order <- ordered("talks", folder)
  do.call(tell, c(list(worker), order))
  expect_identical(hear(worker)$finished, TRUE)
  expect_identical(
    readLines(file.path(order$dir, "stdout.log"), warn = FALSE),
    c("{\"t\":\"end\",\"task\":\"1\"}", "from the shell", "[1] 1 2 3", "no end of line")
  )
  stderr <- readLines(file.path(order$dir, "stderr.log"))
  expect_identical(stderr[1:2], c("shell error", "a message"))
  expect_match(paste(stderr, collapse = " "), "Warning.*a warning")
})

test_that("code that cannot be loaded makes the worker say so", {
  worker <- local_worker()
  do.call(tell, c(list(worker), prepared(a = function(self) 1, packages = "noSuchPackage")))
  answer <- hear(worker)
  expect_identical(answer$t, "broken")
  expect_match(answer$message, "The package 'noSuchPackage', attached when the flow was built, cannot be loaded in the task.", fixed = TRUE)
})

test_that("a fresh worker ends with its task", {
  worker <- local_worker("fresh")
  do.call(tell, c(list(worker), prepared(a = function(self) self$x <- Sys.getpid())))
  expect_identical(hear(worker)$t, "ready")
  folder <- withr::local_tempdir()
  do.call(tell, c(list(worker), ordered("a", folder)))
  expect_identical(hear(worker)$t, "end")
  worker$wait(10000)
  expect_identical(worker$get_exit_status(), 0L)
  expect_true(outcome(ordered("a", folder))$ok)
})

test_that("the exit order ends a worker, an unfinished line does not disturb it", {
  worker <- local_worker()
  worker$write_input("{\"op\":")
  worker$write_input("\"exit\"}\n")
  worker$wait(10000)
  expect_identical(worker$get_exit_status(), 0L)
})

test_that("large pages are for the worker, not for what a step starts; whoever tuned glibc keeps that", {
  withr::local_envvar(GLIBC_TUNABLES = NA)
  expect_identical(worker_environment()[["GLIBC_TUNABLES"]], huge_pages)
  worker <- local_worker()
  do.call(tell, c(list(worker), prepared(a = function(self) self$seen <- Sys.getenv("GLIBC_TUNABLES"))))
  hear(worker)
  order <- ordered("a", withr::local_tempdir())
  do.call(tell, c(list(worker), order))
  hear(worker)
  item <- outcome(order)$artifacts$seen
  expect_identical(read_value(file.path(order$dir, item$file), item$offset, item$size), "")
  withr::local_envvar(GLIBC_TUNABLES = "glibc.malloc.check=1")
  expect_identical(worker_environment()[["GLIBC_TUNABLES"]], "glibc.malloc.check=1")
})

test_that("a worker loads this very package, and no Python", {
  expect_identical(strsplit(worker_environment()[["R_LIBS"]], .Platform$path.sep)[[1]][[1]], package_library())
  worker <- local_worker()
  do.call(tell, c(list(worker), prepared(a = function(self) self$loaded <- loadedNamespaces())))
  hear(worker)
  folder <- withr::local_tempdir()
  order <- ordered("a", folder)
  do.call(tell, c(list(worker), order))
  hear(worker)
  item <- outcome(order)$artifacts$loaded
  loaded <- read_value(file.path(order$dir, item$file), item$offset, item$size)
  expect_false(any(c("reticulate", "Matrix", "globals") %in% loaded))
})

test_that("a step that closes all connections prints into its log, not into the files that it opens then", {
  worker <- local_worker()
  do.call(tell, c(list(worker), prepared(closes = function(self) {
    closeAllConnections()
    con <- file(Sys.getenv("MINE"), "w")
    cat("printed\n")
    system("echo from a program")
    writeLines("mine", con)
    close(con)
  })))
  expect_identical(hear(worker)$t, "ready")
  folder <- withr::local_tempdir()
  order <- ordered("closes", folder, env = list(MINE = file.path(folder, "mine.txt")))
  do.call(tell, c(list(worker), order))
  expect_identical(hear(worker), list(t = "end", finished = TRUE))
  expect_true(outcome(order)$ok)
  expect_identical(readLines(file.path(order$dir, "stdout.log")), c("printed", "from a program"))
  expect_identical(readLines(file.path(folder, "mine.txt")), "mine")
})
