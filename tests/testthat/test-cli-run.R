# The command line through real Rscript: what is written where, exit statuses, odd places and locales.

test_that("exit statuses: 0 done, 1 failed, 2 wrong usage; errors go to stderr and nothing is run", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("StatusFlow") %>%
      parameter("path", required = TRUE) %>%
      parameter("n", type = "int", default = 1) %>%
      step(step = "start", next_step = "end", r_function = function(self) if (self$n == 0) stop("zero")) %>%
      step(step = "end") %>%
      run()
    cat("after the run\\n")
  ')
  good <- run_flow(folder, "run", "--path", "x")
  expect_identical(good$status, 0L)
  expect_match(good$stdout, "after the run", fixed = TRUE)
  failed <- run_flow(folder, "run", "--path", "x", "--n", "0")
  expect_identical(failed$status, 1L)
  expect_no_match(failed$stdout, "after the run", fixed = TRUE)
  for (typed in list(c("run"), c("run", "--path", "x", "--n", "many"), c("run", "--path", "x", "--seed", "now"), c("run", "--path", "x", "--with", "retyr"))) {
    done <- run_flow(folder, typed)
    expect_identical(done$status, 2L, info = paste(typed, collapse = " "))
    expect_identical(done$stdout, "")
    expect_match(done$stderr, "^Error: ")
    expect_no_match(done$stderr, "Traceback|Calls:|Execution halted")
  }
  expect_identical(run_flow(folder, "run")$stderr, "Error: Parameter 'path' is required.\nGive it as --path VALUE or run(path = ...).\n")
  missing <- run_flow(folder, "dump", "9")
  expect_identical(missing$status, 1L)
  expect_match(missing$stderr, "Run 9 of StatusFlow does not exist", fixed = TRUE)
  expect_length(list.files(file.path(folder, "store", "flows", "StatusFlow"), "^[0-9]+$"), 2)
})

test_that("a flow with problems is refused as a whole, with status 1", {
  folder <- local_flow_folder()
  write_flow(folder, 'metaflow("BadFlow") %>% step(step = "start", next_step = "edn") %>% step(step = "end") %>% run()')
  done <- run_flow(folder)
  expect_identical(done$status, 1L)
  expect_identical(done$stdout, "")
  expect_match(done$stderr, "Flow 'BadFlow' has 1 problem:\n  1. step 'start' goes to 'edn', which does not exist\n     Did you mean 'end'?", fixed = TRUE)
  expect_false(dir.exists(file.path(folder, "store", "flows")))
})

test_that("options of run do what they say", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("OptionFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        self$tries <- current("retry_count")
        if (current("retry_count") == 0) stop("once")
      }) %>%
      step(step = "end") %>%
      run()
  ')
  elsewhere <- file.path(folder, "else where")
  done <- run_flow_well(folder, "--with", "retry:times=1,minutes_between_retries=0", "--tag", "one", "--tag=two words", "--run-id-file", "id file",
    "--namespace", "two words", "--datastore-root", elsewhere, "--max-workers", "1", "--seed", "5")
  expect_identical(readLines(file.path(folder, "id file")), "1")
  expect_false(dir.exists(file.path(folder, "store", "flows")))
  the$metadata <- elsewhere
  run <- run_client$new("OptionFlow/1")
  expect_identical(run$artifact("tries"), 1L)
  expect_true(all(c("one", "two words") %in% run$tags))
  expect_identical(run_flow(folder, "list", "--datastore-root", elsewhere, "--namespace", "user:nobody")$stdout, "OptionFlow has no runs here.\n")
  expect_match(run_flow(folder, "list", "--datastore-root", elsewhere, "--namespace", "two words")$stdout, "one, two words", fixed = TRUE)
})

odd_flow <- c(
  "greeting <- \"gr\u00fc\u00df \u4e16\u754c\"",
  "metaflow(\"OddFlow\") %>%",
  "  parameter(\"word\", default = \"\u00fc\") %>%",
  "  step(step = \"start\", next_step = \"end\", r_function = function(self) {",
  "    cat(greeting, self$word, \"\\n\")",
  "    self$greeting <- greeting",
  "    self$word_again <- self$word",
  "    self$wd <- basename(getwd())",
  "    stopifnot(file.exists(\"here.txt\"))",
  "  }) %>%",
  "  step(step = \"end\") %>%",
  "  run()"
)

test_that("a script in a folder with spaces and Unicode runs, also from another folder", {
  skip_if_not(l10n_info()$`UTF-8`, "the file system's names need a UTF-8 locale")
  folder <- local_flow_folder()
  place <- file.path(folder, "my fl\u00f6ws (new)")
  dir.create(place)
  write_flow(place, odd_flow, "m\u00fc flow.R")
  file.create(file.path(folder, "here.txt"))
  done <- run_flow_well(folder, "run", "--word", "caf\u00e9 \u00e0 la", file = file.path("my fl\u00f6ws (new)", "m\u00fc flow.R"))
  expect_match(done$stdout, "gr\u00fc\u00df \u4e16\u754c caf\u00e9 \u00e0 la", fixed = TRUE)
  run <- flow_client$new("OddFlow")$latest_run
  expect_identical(run$artifact("greeting"), "gr\u00fc\u00df \u4e16\u754c")
  expect_identical(run$artifact("word_again"), "caf\u00e9 \u00e0 la")
  expect_identical(run$artifact("wd"), basename(folder))
  expect_match(run_flow(folder, "help", file = file.path("my fl\u00f6ws (new)", "m\u00fc flow.R"))$stdout, "Rscript m\u00fc flow.R", fixed = TRUE)
})

test_that("in the C locale texts stay what they are", {
  folder <- local_flow_folder()
  write_flow(folder, odd_flow)
  file.create(file.path(folder, "here.txt"))
  in_c <- c(LANG = "C", LC_ALL = "C", LANGUAGE = NA)
  done <- run_flow_well(folder, "run", "--word", "caf\u00e9", "--tag", "t\u00e4g", env = in_c)
  run <- flow_client$new("OddFlow")$latest_run
  expect_match(done$stdout, "gr\u00fc\u00df \u4e16\u754c", fixed = TRUE)
  # R warns that a text of the C locale has no encoding, and takes it as it is.
  expect_identical(suppressWarnings(run$artifact("greeting")), "gr\u00fc\u00df \u4e16\u754c")
  expect_identical(run$artifact("word_again"), "caf\u00e9")
  expect_true("t\u00e4g" %in% run$tags)
  listed <- run_flow_well(folder, "list", "--json", env = in_c)
  expect_identical(parse_json(listed$stdout)[[1]]$tags, list("t\u00e4g"))
  shown <- run_flow_well(folder, "show", env = in_c)
  expect_true(all(utf8ToInt(shown$stdout) < 128))
})

test_that("--json prints JSON and nothing else", {
  folder <- local_flow_folder()
  write_flow(folder, 'message("a message of the script"); metaflow("JsonFlow") %>% step(step = "start", next_step = "end", r_function = function(self) self$x <- 1) %>% step(step = "end") %>% run()')
  expect_identical(parse_json(run_flow_well(folder, "list", "--json")$stdout), list())
  run_flow_well(folder)
  expect_identical(parse_json(run_flow_well(folder, "list", "--json")$stdout)[[1]]$run, "1")
  expect_identical(parse_json(run_flow_well(folder, "dump", "1/start", "--json")$stdout)[[1]]$pathspec, "JsonFlow/1/start/1")
})

test_that("a script that is sourced in a session is not driven by the command line", {
  folder <- local_flow_folder()
  write_flow(folder, 'flow <- metaflow("SourcedFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end"); result <- run(flow); print(result)')
  done <- withr::with_envvar(c(TESTTHAT = NA), processx::run(
    file.path(R.home("bin"), "Rscript"), c("-e", "source('flow.R')", "unknown", "--words"), wd = folder, error_on_status = FALSE
  ))
  expect_identical(done$status, 0L)
  expect_match(done$stdout, "<metaflow run> SourcedFlow/1: completed", fixed = TRUE)
})

test_that("Ctrl-C ends a run with status 130, and resume continues it", {
  skip_on_os("windows")
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("StopFlow") %>%
      step(step = "start", next_step = "wait", r_function = function(self) self$x <- 1) %>%
      step(step = "wait", next_step = "end", r_function = function(self) {
        file.create("waiting")
        while (!file.exists("go")) Sys.sleep(0.02)
      }) %>%
      step(step = "end") %>%
      run()
  ')
  process <- withr::with_envvar(c(TESTTHAT = NA, R_TESTS = NA), processx::process$new(
    file.path(R.home("bin"), "Rscript"), "flow.R", wd = folder, stdout = file.path(folder, "out"), stderr = "2>&1", cleanup_tree = TRUE
  ))
  withr::defer(process$kill_tree())
  until <- Sys.time() + 60
  while (!file.exists(file.path(folder, "waiting")) && Sys.time() < until) Sys.sleep(0.05)
  process$interrupt()
  process$wait(10000)
  expect_identical(process$get_exit_status(), 130L)
  expect_match(readLines(file.path(folder, "out")), "Run interrupted after .* Continue with resume.", all = FALSE)
  expect_identical(run_client$new("StopFlow/1")$status, "interrupted")
  file.create(file.path(folder, "go"))
  done <- run_flow_well(folder, "resume")
  expect_match(done$stdout, "1 finished task taken over from run 1.", fixed = TRUE)
  expect_identical(run_client$new("StopFlow/2")$artifact("x"), 1)
})
