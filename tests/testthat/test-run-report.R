# Events as the engine tells them, and what is printed of them.

flow <- function() {
  metaflow("ReportFlow") %>%
    step(step = "start", foreach = "xs", next_step = "fit") %>%
    step(step = "fit", next_step = "join") %>%
    step(step = "join", join = TRUE, next_step = "end") %>%
    step(step = "end")
}

session <- list(pathspec = "ReportFlow/3", run = "3", root = "/data/store")

event <- function(event, step = NULL, task = NULL, ...) Filter(Negate(is.null), list(event = event, step = step, task = task, ...))

# What the plain reporter prints for these events, without the times in front.
said <- function(..., flow_of = flow()) {
  lines <- utils::capture.output({
    report <- plain_reporter(flow_of, session)
    report(list(...))
  })
  expect_true(all(grepl("^[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2} ", lines)))
  sub("^[-0-9]+ [:0-9]+ ", "", lines)
}

error <- list(message = "boom", call = "f(x)", cause = "error", frames = list(list(call = "f(x)", file = "a.R", line = 3L)))

test_that("a run that goes well is told line by line", {
  expect_snapshot(writeLines(said(
    event("cloned", by_step = list(start = 1L, fit = 1L), count = 2L, origin = "2"),
    event("warning", text = "step 'fit' asks for 400 cores (this machine has 2); its tasks run alone"),
    event("started", "start", "1", attempt = 0L),
    event("output", "start", "1", stream = "stdout", lines = list("one", "two")),
    event("done", "start", "1", seconds = 0.0123),
    event("split", "start", "1", count = 2L, into = "fit"),
    event("started", "fit", "2", attempt = 0L),
    event("done", "fit", "2", seconds = 61.4),
    event("done", "fit", "3", seconds = 2.5, caught = "problem"),
    event("finished", status = "completed", seconds = 3723)
  )))
})

test_that("failures are told once, with what becomes of them", {
  crash <- list(message = "The R process was killed.", cause = "crash", frames = list())
  failed <- function(...) event("failed", "fit", "2", attempt = 0L, ...)
  expect_snapshot(writeLines(said(
    failed(cause = "error", error = error, will_retry = TRUE, retry_seconds = 0),
    failed(cause = "error", error = error, will_retry = TRUE, retry_seconds = 90),
    failed(cause = "crash", error = crash, will_retry = TRUE, retry_seconds = 0),
    failed(cause = "crash", error = crash, will_retry = TRUE, fallback = TRUE),
    failed(cause = "timeout", error = list(message = "Too long.", cause = "timeout", frames = list()), will_retry = FALSE),
    failed(cause = "oom", error = list(message = "cannot allocate vector", cause = "oom", frames = error$frames), will_retry = FALSE),
    event("finished", status = "failed", seconds = 2, error = c(error, step = "fit", task = "2"))
  )))
})

test_that("runs that end otherwise say why and what to do", {
  expect_snapshot({
    writeLines(said(event("finished", status = "interrupted", seconds = 12)))
    writeLines(said(event("finished", status = "failed", seconds = 0.2, error = list(message = "the package 'x' cannot be loaded.\nInstall it."))))
  })
})

test_that("of a wide foreach the first tasks are named, then it is counted", {
  events <- c(
    list(event("done", "start", "1", seconds = 0.1), event("split", "start", "1", count = 200L, into = "fit")),
    unlist(lapply(1:200, function(i) {
      list(event("started", "fit", as.character(i + 1), attempt = 0L), event("done", "fit", as.character(i + 1), seconds = 0.01))
    }), recursive = FALSE)
  )
  lines <- do.call(said, events)
  expect_length(grep("3/fit/[0-9]+] Done in 10 ms", lines), named_tasks)
  expect_identical(tail(lines, 1), "[3/fit] 200 of 200 tasks done.")
  expect_lt(length(lines), 40)
  # The count comes before what happens next, also where all of it is told at once.
  join <- event("done", "join", "202", seconds = 0.1)
  finished <- function(status) event("finished", status = status, seconds = 1)
  expect_identical(sub(" .*", "", tail(do.call(said, c(events, list(join, finished("completed")))), 3)), c("[3/fit]", "[3/join/202]", "[ReportFlow/3]"))
  expect_identical(tail(do.call(said, c(events[1:102], list(finished("interrupted")))), 2), c(
    "[3/fit] 50 of 200 tasks done.", "[ReportFlow/3] Run interrupted after 1.0 s. Continue with resume."
  ))
})

test_that("lines of a task keep their text, whatever it looks like", {
  odd <- c("100% %s %d", "", "  indented", "\ttab", "[1/start/1] not mine", "\u00fc\u4e16")
  lines <- said(event("output", "start", "1", stream = "stderr", lines = as.list(odd)))
  expect_identical(lines[-1], paste("[3/start/1]", odd))
})

test_that("times are short and in words", {
  expect_identical(
    vapply(c(0, 0.0004, 0.0123, 0.9994, 1, 59.94, 60, 3599, 3600, 90061), format_seconds, ""),
    c("0 ms", "0 ms", "12 ms", "999 ms", "1.0 s", "59.9 s", "1 min 00 s", "59 min 59 s", "1 h 00 min", "25 h 01 min")
  )
  expect_identical(format_seconds(NULL), "?")
  expect_identical(format_seconds(NA), "?")
})

test_that("where output goes to a file it is plain, on a terminal it is drawn", {
  withr::local_options(metaflow.progress = TRUE, cli.num_colors = 1L)
  drawn <- utils::capture.output(report <- new_reporter(flow(), session))
  expect_match(drawn, "ReportFlow/3", all = FALSE)
  expect_no_match(drawn, "^[0-9]{4}-")
  withr::local_options(metaflow.progress = NULL)
  plain <- utils::capture.output(report <- new_reporter(flow(), session))
  expect_match(plain, "^[0-9]{4}-.* Run started. Results are kept in /data/store$")
})

test_that("only a terminal that can move its cursor gets a block that is redrawn", {
  expect_true(can_move_cursor("xterm-256color", windows = FALSE))
  expect_false(can_move_cursor("dumb", windows = FALSE))
  expect_false(can_move_cursor("", windows = FALSE))
  expect_true(can_move_cursor("", windows = TRUE))
})
