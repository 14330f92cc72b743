# What a step may do to its process: print anything, fail in any way, die.

noisy_script <- '
metaflow("NoisyFlow") %>%
  step(step = "start", next_step = "end", r_function = function(self) {
    cat("{\\"t\\":\\"end\\",\\"task\\":\\"1\\",\\"finished\\":true}\\n")
    cat("{\\"op\\":\\"exit\\"}\\n", file = stderr())
    system("echo from the shell")
    system("echo shell error >&2")
    system2("sh", c("-c", shQuote("printf deeper")), stdout = "")
    cat("\\n")
    message("a message")
    warning("a warning")
    f <- function(x) { warning("inner warning", call. = TRUE); x }
    f(1)
    print(data.frame(x = 1:2))
    writeLines("written", stdout())
    writeLines("written to stderr", stderr())
    cat("progress 1\\rprogress 2\\rdone\\n")
    cat("tab\\there\\n")
    system("printf \'not utf-8: caf\\\\351 \\\\377\\\\n\'")
    cat("\\u00fc\\u4e16\\U0001f600\\n")
    cat("\\033[31mred\\033[0m\\n")
    cat(strrep("x", 1e5), "\\n", sep = "")
    captured <- capture.output(print("captured, not shown"))
    sink(tempfile()); print("sunk, not shown"); sink()
    self$captured <- captured
    invisible(print("last"))
    cat("no end of line")
  }) %>%
  step(step = "end", r_function = function(self) {
    sink(file.path(tempdir(), "sink"))
    print("sunk to the end")
    for (i in 1:100000) cat("line", i, "\\n", file = stderr())
  }) %>%
  run()
'

test_that("everything a step prints is kept in its log and shown live, and nothing of it breaks the run", {
  folder <- local_flow_folder()
  write_flow(folder, noisy_script)
  done <- run_flow_well(folder)
  run <- flow_client$new("NoisyFlow")$latest_run
  expect_identical(run$artifact("captured"), "[1] \"captured, not shown\"")

  lines_of <- function(text) strsplit(text, "\n", fixed = TRUE)[[1]]
  task <- run$steps$start$a_task
  out <- lines_of(task$stdout)
  expect_identical(out[1:4], c("{\"t\":\"end\",\"task\":\"1\",\"finished\":true}", "from the shell", "deeper", "  x"))
  expect_true(all(c("1 1", "2 2", "written", "tab\there", "\u00fc\u4e16\U0001f600", "\033[31mred\033[0m", strrep("x", 1e5), "[1] \"last\"", "no end of line") %in% out))
  expect_false(any(grepl("not shown", out)))
  expect_match(grep("not utf-8", out, value = TRUE), "^not utf-8: caf.* .*$")
  expect_true(all(validUTF8(out)))
  err <- lines_of(task$stderr)
  expect_true(all(c("{\"op\":\"exit\"}", "shell error", "a message", "written to stderr") %in% err))
  expect_true(all(c("Warning in start(self) : a warning", "Warning in f(1) : inner warning") %in% err))

  for (line in c("[1/start/1] from the shell", "[1/start/1] shell error", "[1/start/1] a message", "[1/start/1] no end of line")) {
    expect_true(any(endsWith(done$lines, line)), info = line)
  }
  expect_false(any(grepl("not shown", done$lines, fixed = TRUE)))

  many <- lines_of(run$steps$end$a_task$stderr)
  expect_identical(length(many), 100000L)
  expect_identical(many[c(1, 1e5)], c("line 1 ", "line 100000 "))
  expect_identical(sum(grepl("[1/end/2] line ", done$lines, fixed = TRUE)), 100000L)
})

test_that("a step that quits, crashes or is killed fails with its cause, is tried again and can be caught", {
  folder <- local_flow_folder()
  write_flow(folder, '
    ways <- list(
      error = function() stop("plain"),
      custom = function() stop(structure(class = c("my_error", "error", "condition"), list(message = "mine", call = NULL, code = 7L))),
      quit = function() { on.exit(cat("bye\\n")); quit(status = 3) },
      segfault = function() { tools::pskill(Sys.getpid(), 11L); Sys.sleep(5) },
      kill = function() { tools::pskill(Sys.getpid(), 9L); Sys.sleep(5) },
      deep = function() { f <- function(n) f(n + 1); f(1) },
      memory = function() numeric(1e15),
      warning_as_error = function() { options(warn = 2); as.integer("a") },
      in_finally = function() tryCatch(stop("first"), finally = stop("second")),
      not_a_condition = function() signalCondition("x", NULL) && stop(),
      leaves_child = function() { system("sleep 60 &"); stop("left a child") },
      unloadable = function() stop(methods::new("environment"))
    )
    metaflow("CrashFlow") %>%
      step(step = "start", foreach = "way", next_step = "crash", r_function = function(self) self$way <- names(ways)) %>%
      step(retry(times = 1, minutes_between_retries = 0), catch(var = "problem", print_exception = FALSE), step = "crash", next_step = "join",
        r_function = function(self) {
          self$lost <- TRUE
          ways[[self$input]]()
        }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        self$problems <- setNames(gather_inputs(inputs, "problem"), names(ways))
        self$leftovers <- lapply(Filter(function(i) "lost" %in% names(i), inputs), names)
      }) %>%
      step(step = "end") %>%
      run(max_workers = 2)
  ')
  run_flow_well(folder)
  run <- flow_client$new("CrashFlow")$latest_run
  problems <- run$artifact("problems")
  is_a <- function(way, class) expect_s3_class(problems[[way]], class)
  for (problem in problems) expect_s3_class(problem, c("error", "condition"))
  is_a("error", "simpleError")
  is_a("custom", "my_error")
  expect_identical(problems$custom$code, 7L)
  is_a("quit", "metaflow_quit_error")
  for (way in c("segfault", "kill")) is_a(way, "metaflow_crash_error")
  expect_match(conditionMessage(problems$segfault), "segfault")
  expect_match(conditionMessage(problems$deep), "nested too deeply|infinite recursion|C stack")
  expect_match(conditionMessage(problems$memory), "cannot allocate")
  expect_match(conditionMessage(problems$warning_as_error), "NAs introduced")
  expect_match(conditionMessage(problems$in_finally), "second")
  expect_identical(conditionMessage(problems$leaves_child), "left a child")
  expect_length(run$artifact("leftovers"), 0)
  # A second attempt was made for each, and a process that died needs one more to store its error.
  attempts <- vapply(run$steps$crash$tasks, function(t) nrow(t$attempts), 0L)
  expect_identical(unname(attempts[1:3]), c(2L, 2L, 3L))
  expect_true(all(attempts %in% 2:3))
})

test_that("the environment of a step is its own: working directory, options, seed, workspace, files", {
  folder <- local_flow_folder()
  write_flow(folder, '
    look <- function() list(wd = getwd(), digits = getOption("digits"), workspace = sort(ls(globalenv())), args = commandArgs(TRUE), interactive = interactive())
    metaflow("OwnFlow") %>%
      step(environment_variables(FLOW_TEST = "a b", OTHER = 2), step = "start", next_step = "middle", r_function = function(self) {
        self$env <- Sys.getenv(c("FLOW_TEST", "OTHER"), names = FALSE)
        self$folder <- current("tempdir")
        writeLines("x", file.path(current("tempdir"), "scratch"))
        self$had_scratch <- file.exists(file.path(current("tempdir"), "scratch"))
        self$before <- look()
        setwd(tempdir())
        options(digits = 3, OutDec = ",", scipen = 100)
        assign("leak", 1, globalenv())
        rm(list = ls(globalenv()), envir = globalenv())
        self$made_after_rm <- 0.5
      }) %>%
      step(step = "middle", next_step = "end", r_function = function(self) {
        self$env_after <- Sys.getenv(c("FLOW_TEST", "OTHER"), NA, names = FALSE)
        self$after <- look()
        self$scratch_gone <- !file.exists(self$folder)
      }) %>%
      step(step = "end") %>%
      run()
  ')
  # A relative datastore is where the flow was started, wherever a step goes.
  run_flow_well(folder, env = c(METAFLOW_DATASTORE_ROOT = "store"))
  run <- flow_client$new("OwnFlow")$latest_run
  expect_identical(run$artifact("env"), c("a b", "2"))
  expect_identical(run$artifact("env_after"), c(NA_character_, NA_character_))
  expect_true(run$artifact("had_scratch"))
  expect_true(run$artifact("scratch_gone"))
  expect_identical(run$artifact("made_after_rm"), 0.5)
  expect_identical(run$artifact("after"), run$artifact("before"))
  expect_identical(run$artifact("before")$wd, folder)
  expect_identical(run$artifact("before")$workspace, "look")
})

test_that("current() knows the task", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("CurrentFlow") %>%
      step(step = "start", next_step = "end", retry(times = 1, minutes_between_retries = 0), r_function = function(self) {
        if (current("retry_count") == 0) stop("once more")
        self$facts <- current()
        self$again <- current("run_id")
      }) %>%
      step(step = "end") %>%
      run()
  ')
  run_flow_well(folder, "run", "--tag", "a", "--tag", "b c", "--seed", "42")
  facts <- flow_client$new("CurrentFlow")$latest_run$artifact("facts")
  expect_identical(facts[c("flow_name", "run_id", "step_name", "task_id", "pathspec", "retry_count")], list(
    flow_name = "CurrentFlow", run_id = "1", step_name = "start", task_id = "1", pathspec = "CurrentFlow/1/start/1", retry_count = 1L
  ))
  expect_identical(facts$tags, c("a", "b c"))
  expect_identical(facts$username, "tester")
  expect_identical(facts$namespace, "user:tester")
  expect_identical(facts$is_production, FALSE)
  expect_null(facts$origin_run_id)
  expect_type(facts$seed, "integer")
})

test_that("a process tells what it used, and null where the kernel tells nothing", {
  usage <- parse_json(process_usage(1.5))
  expect_identical(usage$wall, 1.5)
  expect_gt(usage$user, 0)
  skip_if_not(file.exists("/proc/self/status"))
  expect_gt(usage$max_rss_bytes, 1e6)
  expect_gt(usage$read_bytes, 0)
  text <- "VmPeak:\t  12 kB\nVmHWM:\t  2048 kB\nrchar: 77\n"
  expect_identical(proc_number(text, "VmHWM:", "kB", 1024), "2097152")
  expect_identical(proc_number(text, "rchar:", "\n"), "77")
  expect_identical(proc_number(text, "wchar:", "\n"), "null")
  expect_identical(proc_number("rchar: 77", "rchar:", "\n"), "null")
  expect_match(proc_texts()[[2L]], "VmHWM:")
  hidden <- proc_texts(c("/proc/self/status", "no such file"))
  expect_match(hidden[[1L]], "VmHWM:")
  expect_identical(hidden[[2L]], "")
  expect_identical(proc_texts(c("no such file", "nor this one")), c("", ""))
})
