flow <- function() {
  metaflow("TerminalFlow") %>%
    step(step = "start", foreach = "xs", next_step = "fit") %>%
    step(step = "fit", next_step = "join") %>%
    step(step = "join", join = TRUE, next_step = "end") %>%
    step(step = "end")
}

session <- list(pathspec = "TerminalFlow/3", run = "3", root = "/data/store")

event <- function(event, step = NULL, task = NULL, ...) Filter(Negate(is.null), list(event = event, step = step, task = task, ...))

# The screen after each report, without colours; redrawing moves the cursor up and clears.
screens <- function(...) {
  withr::local_options(cli.num_colors = 1L, cli.unicode = FALSE, cli.width = 70)
  text <- paste(utils::capture.output({
    report <- terminal_reporter(flow(), session)
    for (events in list(...)) {
      report(events)
      cat("~~~\n")
    }
  }), collapse = "\n")
  gsub("\033[[]([0-9]+)A\033[[]J", "<up \\1>", gsub("\r", "", text))
}

# Spinner and times differ from run to run.
calm <- function(text) gsub("(?m)^[|/\\\\-] ", "* ", gsub("[0-9.]+ (ms|s)\\b", "<time>", text), perl = TRUE)

test_that("one line per step that has begun, redrawn in place; what tasks print scrolls by above", {
  expect_snapshot(cat(calm(screens(
    list(event("started", "start", "1", attempt = 0L)),
    list(event("output", "start", "1", stream = "stdout", lines = list("hello")), event("done", "start", "1", seconds = 0.2), event("split", "start", "1", count = 3L, into = "fit"),
      event("started", "fit", "2", attempt = 0L), event("started", "fit", "3", attempt = 0L)),
    list(event("done", "fit", "2", seconds = 1), event("failed", "fit", "3", attempt = 0L, cause = "error", will_retry = TRUE,
      error = list(message = "boom", cause = "error", frames = list()))),
    list(event("started", "fit", "3", attempt = 1L), event("done", "fit", "3", seconds = 1), event("started", "fit", "4", attempt = 0L), event("done", "fit", "4", seconds = 1)),
    list(event("started", "join", "5", attempt = 0L), event("done", "join", "5", seconds = 0.1), event("started", "end", "6", attempt = 0L), event("done", "end", "6", seconds = 0.1),
      event("finished", status = "completed", seconds = 4))
  ))))
})

test_that("a failed and a resumed run", {
  expect_snapshot(cat(calm(screens(
    list(event("cloned", by_step = list(start = 1L, fit = 2L), count = 3L, origin = "2"), event("split", "start", "1", count = 3L, into = "fit"), event("started", "fit", "4", attempt = 0L)),
    list(event("failed", "fit", "4", attempt = 0L, cause = "crash", will_retry = FALSE, error = list(message = "The R process was killed.", cause = "crash", frames = list())),
      event("finished", status = "failed", seconds = 4, error = list(step = "fit", task = "4", message = "The R process was killed.")))
  ))))
})

test_that("a report without events draws nothing new", {
  expect_snapshot(cat(calm(screens(list(), list()))))
})

test_that("on a real terminal the block is drawn, and the end stays on the screen", {
  skip_on_os("windows")
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("RealFlow") %>%
      step(step = "start", foreach = "xs", next_step = "fit", r_function = function(self) self$xs <- 1:3) %>%
      step(step = "fit", next_step = "join", r_function = function(self) cat("fitting", self$input, "\\n")) %>%
      step(step = "join", join = TRUE, next_step = "end") %>%
      step(step = "end") %>%
      run()
  ')
  process <- withr::with_envvar(c(TESTTHAT = NA, R_TESTS = NA, TERM = "xterm-256color"), processx::process$new(
    file.path(R.home("bin"), "Rscript"), "flow.R", wd = folder, pty = TRUE, cleanup_tree = TRUE
  ))
  withr::defer(process$kill_tree())
  # The end of a terminal is an error of its reader.
  read <- function() tryCatch(process$read_output(), error = function(e) "")
  screen <- ""
  until <- Sys.time() + 60
  while (process$is_alive() && Sys.time() < until) {
    process$poll_io(200)
    screen <- paste0(screen, read())
  }
  screen <- paste0(screen, read())
  expect_identical(process$get_exit_status(), 0L)
  expect_match(screen, "\033[", fixed = TRUE)
  expect_match(screen, "fitting 3", fixed = TRUE)
  plain <- cli::ansi_strip(screen)
  expect_match(plain, "fit +3 of 3 done")
  expect_match(plain, "RealFlow/1: Run completed in")
})

test_that("a long name does not push the counts off a narrow terminal", {
  withr::local_options(cli.width = 60, cli.num_colors = 1L, cli.unicode = FALSE)
  long <- "fit_every_station_of_the_network_carefully"
  counts <- new_step_counts(metaflow("F") %>% step(step = "start", next_step = long) %>% step(step = long))
  counts$count(list(event = "split", into = long, count = 9))
  for (task in 1:3) counts$count(list(event = "started", step = long, task = as.character(task), attempt = 0L))
  counts$count(list(event = "failed", step = long, task = "1", attempt = 0L, will_retry = FALSE))
  block <- step_block(counts, stats::setNames(list(c("2", "3")), long), Sys.time())
  expect_match(block, "^x fit_every_station...  0 of 9 done, 2 running, 1 failed$")
})
