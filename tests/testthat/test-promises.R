# Section 9 of the contract, row by row: what today's R package gets wrong. The first row is test-lossless.R.

test_that("a step function without braces, or made by another function, runs", {
  folder <- local_flow_folder()
  write_flow(folder, '
    maker <- function(name, value) function(self) self[[name]] <- value
    steps <- lapply(1:3, function(i) function(self) self[[paste0("loop_", i)]] <- i)
    composed <- Reduce(function(f, g) function(self) { f(self); g(self) }, list(maker("c", 1), maker("d", 2)))
    by_loop <- list()
    for (i in 1:2) by_loop[[i]] <- local({ n <- i; function(self) self[[paste0("local_", n)]] <- n })
    metaflow("MadeFlow") %>%
      step(step = "start", next_step = "made", r_function = function(self) self$x <- 1) %>%
      step(step = "made", next_step = "lambda", r_function = maker("y", list(2))) %>%
      step(step = "lambda", next_step = "listed", r_function = \\(self) self$z <- self$x + 1) %>%
      step(step = "listed", next_step = "composed", r_function = steps[[3]]) %>%
      step(step = "composed", next_step = "looped", r_function = composed) %>%
      step(step = "looped", next_step = "end", r_function = by_loop[[1]]) %>%
      step(step = "end", r_function = function(...) NULL) %>%
      run()
  ')
  run_flow_well(folder)
  run <- flow_client$new("MadeFlow")$latest_run
  values <- lapply(stats::setNames(nm = c("x", "y", "z", "loop_3", "c", "d", "local_1")), run$artifact)
  expect_identical(values, list(x = 1, y = list(2), z = 2, loop_3 = 3L, c = 1, d = 2, local_1 = 1L))
})

test_that("helpers, constants, operators, S3 methods and library() calls beside the flow are there in the task", {
  folder <- local_flow_folder()
  writeLines("helper_of_helper <- function(x) x * factor_of_two", file.path(folder, "helpers.R"))
  write_flow(folder, '
    library(stats4)
    source("helpers.R")
    factor_of_two <- 2
    table_of_names <- data.frame(id = 1:2, name = c("one", "two"))
    helper <- function(x) helper_of_helper(x) + 1
    `%+%` <- function(a, b) paste0(a, b)
    print.receipt <- function(x, ...) { cat("receipt of", x$total, "\\n"); invisible(x) }
    format.receipt <- function(x, ...) paste("<", x$total, ">")
    summary.receipt <- function(object, ...) object$total
    price <- function(x) UseMethod("price")
    price.default <- function(x) 0
    price.receipt <- function(x) x$total
    countdown <- function(n) if (n == 0) "lift off" else countdown(n - 1)
    by_name <- function(x) do.call("helper", list(x))
    metaflow("HelperFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        self$number <- helper(10)
        self$text <- "a" %+% "b"
        self$receipt <- structure(list(total = 5), class = "receipt")
        print(self$receipt)
        self$formatted <- format(self$receipt)
        self$summed <- summary(self$receipt)
        self$price <- c(price(self$receipt), price(1))
        self$name <- table_of_names$name[2]
        self$down <- countdown(3)
        self$by_name <- sapply(c(1, 2), by_name)
        self$attached <- "package:stats4" %in% search()
        self$mle <- is.function(mle)
      }) %>%
      step(step = "end") %>%
      run()
  ')
  done <- run_flow_well(folder)
  expect_match(done$stdout, "receipt of 5", fixed = TRUE)
  run <- flow_client$new("HelperFlow")$latest_run
  values <- lapply(stats::setNames(nm = c("number", "text", "formatted", "summed", "price", "name", "down", "by_name", "attached", "mle")), run$artifact)
  expect_identical(values, list(
    number = 21, text = "ab", formatted = "< 5 >", summed = 5, price = c(5, 0), name = "two", down = "lift off", by_name = c(3, 5), attached = TRUE, mle = TRUE
  ))
})

test_that("a failing flow exits 1, and stop() three calls deep shows the calls with their lines", {
  folder <- local_flow_folder()
  write_flow(folder, c(
    "check <- function(x) {",            # 2
    "  if (x > 2) {",                    # 3
    "    stop(\"too large: \", x)",      # 4
    "  }",                               # 5
    "  x",                               # 6
    "}",                                 # 7
    "work <- function(x) check(x + 1)",  # 8
    "",                                  # 9
    "metaflow(\"BoomFlow\") %>%",        # 10
    "  step(step = \"start\", next_step = \"end\", r_function = function(self) {", # 11
    "    self$before <- \"kept\"",       # 12
    "    self$y <- work(self$x <- 3)",   # 13
    "  }) %>%",                          # 14
    "  step(step = \"end\") %>%",
    "  run()"
  ), file = "boom.R")
  done <- run_flow(folder, file = "boom.R")
  expect_identical(done$status, 1L)
  for (line in c(
    "Error in check(x + 1): too large: 4", "boom.R:4: stop(\"too large: \", x)", "boom.R:8: check(x + 1)", "boom.R:13: work(self$x <- 3)"
  )) expect_match(done$stdout, line, fixed = TRUE)
  expect_no_match(paste(done$stdout, done$stderr), "Traceback|[.]py|worker-task|tryCatch")

  task <- step_client$new("BoomFlow/1/start")$a_task
  exception <- task$exception
  expect_s3_class(exception, "simpleError")
  expect_identical(conditionMessage(exception), "too large: 4")
  expect_match(paste(task$stderr, collapse = "\n"), "boom.R:4: stop(\"too large: \", x)", fixed = TRUE)
})

test_that("timeout(seconds = 2) ends a busy loop, compiled code and system(), with their children", {
  folder <- local_flow_folder()
  write_flow(folder, '
    slow <- function(work) { force(work); function(self) { cat("pid", Sys.getpid(), "\\n"); work(); self$survived <- TRUE } }
    metaflow("SlowFlow") %>%
      step(step = "start", next_step = c("loop", "compiled", "shell")) %>%
      step(timeout(seconds = 2), catch(var = "problem"), step = "loop", next_step = "join", r_function = slow(function() while (TRUE) {})) %>%
      step(timeout(seconds = 2), catch(var = "problem"), step = "compiled", next_step = "join",
        r_function = slow(function() solve(matrix(rnorm(9e8), 30000)))) %>%
      step(timeout(seconds = 2), catch(var = "problem"), step = "shell", next_step = "join",
        r_function = slow(function() system("echo $$ > shell.pid; sleep 61; true"))) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        self$problems <- gather_inputs(inputs, "problem")
        self$survivors <- names(Filter(function(i) "survived" %in% names(i), inputs))
      }) %>%
      step(step = "end") %>%
      run(max_workers = 3)
  ')
  run_flow_well(folder)
  run <- flow_client$new("SlowFlow")$latest_run
  problems <- run$artifact("problems")
  expect_named(problems, c("loop", "compiled", "shell"))
  for (problem in problems) {
    expect_s3_class(problem, "metaflow_timeout_error")
    expect_match(conditionMessage(problem), "limit of 2 seconds")
  }
  expect_length(run$artifact("survivors"), 0)
  for (step in c("loop", "compiled", "shell")) {
    pid <- as.integer(sub("pid ", "", grep("^pid", step_client$new(file.path("SlowFlow/1", step))$a_task$stdout, value = TRUE)))
    for (one in pid) expect_true(is_gone(one), info = step)
  }
  expect_true(is_gone(as.integer(readLines(file.path(folder, "shell.pid")))))
})

test_that("foreach over one value, over a data frame, over nothing", {
  folder <- local_flow_folder()
  write_flow(folder, '
    count <- function(self, inputs) self$seen <- lapply(inputs, function(i) i$got)
    take <- function(self) self$got <- list(index = self$index, input = self$input, stack = self$foreach_stack())
    grid <- data.frame(depth = c(1L, 3L), name = c("a", NA), row.names = c("first", "second"))
    metaflow("EachFlow") %>%
      step(step = "start", next_step = c("one", "rows", "none"), r_function = function(self) {
        self$single <- "only"
        self$grid <- grid
        self$empty <- character()
      }) %>%
      step(step = "one", foreach = "single", next_step = "each_one") %>%
      step(step = "each_one", next_step = "join_one", r_function = take) %>%
      step(step = "join_one", join = TRUE, next_step = "join", r_function = count) %>%
      step(step = "rows", foreach = "grid", next_step = "each_row") %>%
      step(step = "each_row", next_step = "join_rows", r_function = take) %>%
      step(step = "join_rows", join = TRUE, next_step = "join", r_function = count) %>%
      step(step = "none", foreach = "empty", next_step = "each_none") %>%
      step(step = "each_none", next_step = "join_none", r_function = take) %>%
      step(step = "join_none", join = TRUE, next_step = "join", r_function = function(self, inputs) {
        self$seen <- lapply(inputs, function(i) i$got)
        self$gathered <- gather_inputs(inputs, "got")
        self$merged <- merge_artifacts(self, inputs)
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        self$seen <- gather_inputs(inputs, "seen")
        self$nothing <- list(inputs$join_none$gathered, inputs$join_none$merged)
      }) %>%
      step(step = "end") %>%
      run()
  ')
  run_flow_well(folder)
  run <- flow_client$new("EachFlow")$latest_run
  seen <- run$artifact("seen")
  frame <- function(index, count, value) list(index = index, input = value, stack = list(list(index = index, count = count, value = value)))
  grid <- data.frame(depth = c(1L, 3L), name = c("a", NA), row.names = c("first", "second"))
  expect_identical(seen$join_one, list(frame(0L, 1L, "only")))
  expect_identical(seen$join_rows, list(frame(0L, 2L, grid[1, ]), frame(1L, 2L, grid[2, ])))
  expect_identical(seen$join_none, list())
  expect_identical(run$artifact("nothing")[[1]], list())
  expect_length(run$steps$each_none$tasks, 0)
})

test_that("parameters arrive as typed: underscores, dashes, spaces; called user, tag, run_id", {
  folder <- local_flow_folder()
  write_flow(folder, '
    flow <- metaflow("TypedFlow") %>% parameter("path") %>% parameter("title") %>% parameter("learning_rate", type = "float") %>% parameter("verbose", is_flag = TRUE)
    for (name in c("user", "tag", "run_id", "namespace", "name")) flow <- flow %>% parameter(name, default = "none")
    flow %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        self$got <- lapply(setNames(nm = c("path", "title", "learning_rate", "verbose", "user", "tag", "run_id", "namespace", "name")), function(n) self[[n]])
      }) %>%
      step(step = "end") %>%
      run()
  ')
  run_flow_well(folder, "run", "--path", "data_set-v1.csv", "--title", "hello  world", "--learning-rate=1e-3", "--verbose",
    "--user", "alice", "--tag=a b", "--run_id", "--odd", "--namespace", "user:bob", "--name=")
  got <- flow_client$new("TypedFlow")$latest_run$artifact("got")
  expect_identical(got, list(
    path = "data_set-v1.csv", title = "hello  world", learning_rate = 0.001, verbose = TRUE,
    user = "alice", tag = "a b", run_id = "--odd", namespace = "user:bob", name = ""
  ))
})

test_that("an unknown word on the command line is an error with a suggestion, and runs nothing", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("StrictFlow") %>% parameter("alpha", default = 1) %>%
      step(step = "start", next_step = "end") %>% step(step = "end") %>% run()
  ')
  for (typed in list("rnu", c("run", "--alhpa", "3"), c("run", "extra"), c("--max-wrokers", "2"))) {
    done <- run_flow(folder, typed)
    expect_identical(done$status, 2L, info = paste(typed, collapse = " "))
    expect_identical(done$stdout, "", info = paste(typed, collapse = " "))
  }
  expect_match(run_flow(folder, "rnu")$stderr, "Unknown command 'rnu'.\nDid you mean 'run'?", fixed = TRUE)
  expect_match(run_flow(folder, "run", "--alhpa", "3")$stderr, "Did you mean '--alpha'?", fixed = TRUE)
  expect_false(dir.exists(file.path(folder, "store", "flows")))
})

test_that("run$artifacts and summary() work with nothing but this package", {
  folder <- local_flow_folder()
  write_flow(folder, 'metaflow("BareFlow") %>% step(step = "start", next_step = "end", r_function = function(self) self$x <- 1:3) %>% step(step = "end") %>% run()')
  run_flow_well(folder)
  looked <- callr::r(function() {
    library(metaflow)
    run <- flow_client$new("BareFlow")$latest_run
    list(artifacts = run$artifacts, summary = as.data.frame(summary(run)), method = as.data.frame(run$summary()), attached = search())
  }, libpath = .libPaths())
  expect_identical(looked$artifacts, "x")
  expect_identical(looked$summary$step, c("start", "end"))
  expect_identical(looked$method, looked$summary)
  expect_identical(grep("^package:", looked$attached, value = TRUE)[[1]], "package:metaflow")
})

test_that("a flow runs in a read-only folder, and writes nothing beside the script but to the datastore", {
  skip_on_os("windows")
  folder <- local_flow_folder()
  script <- write_flow(folder, '
    metaflow("ReadOnlyFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) self$wrote <- tryCatch(file.create("here"), warning = function(w) FALSE)) %>%
      step(step = "end") %>% run()
  ')
  # Folders that an ordinary user can reach: R's own temporary folder, and what R CMD check installs
  # into, are entered by their owner only.
  open_folder <- function(env = parent.frame()) {
    path <- withr::local_tempdir(tmpdir = if (dir.exists("/tmp")) "/tmp" else dirname(tempdir()), .local_envir = env)
    Sys.chmod(path, "0755")
    path
  }
  place <- open_folder()
  file.copy(script, place)
  library <- open_folder()
  file.copy(system.file(package = "metaflow"), library, recursive = TRUE)
  # R CMD check has links to packages in a folder of its own; where they lead everybody can go.
  imports <- c("cli", "globals", "jsonlite", "magrittr", "processx", "R6", "reticulate")
  homes <- unique(dirname(normalizePath(find.package(imports))))
  elsewhere <- open_folder()
  command <- c(file.path(R.home("bin"), "Rscript"), "flow.R")
  if (identical(Sys.info()[["effective_user"]], "root")) {
    # For root no folder is read-only, so an ordinary user runs the flow.
    skip_if(Sys.which("setpriv") == "", "root cannot become an ordinary user without setpriv")
    command <- c("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", command)
    system2("chown", c("-R", "65534", elsewhere))
  }
  Sys.chmod(place, "0555")
  withr::defer(Sys.chmod(place, "0755"))
  done <- withr::with_envvar(
    c(
      TESTTHAT = NA, HOME = elsewhere, TMPDIR = elsewhere, R_LIBS = paste(c(library, homes), collapse = ":"),
      METAFLOW_DATASTORE_ROOT = file.path(elsewhere, "store"),
      METAFLOW_PYTHON = system_python()
    ),
    processx::run(command[[1]], command[-1], wd = place, error_on_status = FALSE)
  )
  expect_identical(done$status, 0L, info = paste(done$stdout, done$stderr))
  expect_identical(list.files(place, all.files = TRUE, no.. = TRUE), "flow.R")
  the$metadata <- file.path(elsewhere, "store")
  expect_false(flow_client$new("ReadOnlyFlow")$latest_run$artifact("wrote"))
})

test_that("without a datastore setting, the only thing made beside the script is .metaflow", {
  folder <- local_flow_folder()
  write_flow(folder, 'metaflow("HereFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end") %>% run()')
  run_flow_well(folder, env = c(METAFLOW_DATASTORE_ROOT = NA))
  expect_setequal(list.files(folder, all.files = TRUE, no.. = TRUE), c("flow.R", ".metaflow", "home"))
  expect_length(list.files(file.path(folder, "home"), all.files = TRUE, no.. = TRUE), 0)
})
