# What a run prints. The engine tells events; a reporter shows them: as plain lines with the time where
# output goes to a file or pipe, above a block with one line per step where it goes to a terminal.
#
# A reporter is `function(events, progress)`. Both kinds share the texts below.

new_reporter <- function(flow, session) {
  # Loading cli takes 50 ms, which a run whose output goes to a file need not wait for.
  on_terminal <- getOption("metaflow.progress") %||% (isatty(stdout()) && can_move_cursor() && cli::is_dynamic_tty(stdout()))
  if (isTRUE(on_terminal)) terminal_reporter(flow, session) else plain_reporter(flow, session)
}

# A terminal that calls itself dumb, as that of Emacs, shows the codes that move its cursor as letters.
can_move_cursor <- function(terminal = Sys.getenv("TERM"), windows = .Platform$OS.type == "windows") {
  if (nzchar(terminal)) terminal != "dumb" else windows
}

# Of a wide foreach, this many tasks are named one by one; then it is counted.
named_tasks <- 25L

plain_reporter <- function(flow, session) {
  counts <- new_step_counts(flow)
  said_at <- Sys.time()
  say <- function(where, text) {
    put_lines(sprintf("%s [%s] %s", format(Sys.time(), "%Y-%m-%d %H:%M:%S"), where, text))
  }
  say(session$pathspec, sprintf("Run started. Results are kept in %s", session$root))
  say_counts <- function(passed) {
    for (step in counts$due(passed)) {
      said_at <<- Sys.time()
      say(paste(session$run, step, sep = "/"), counts$text(step))
    }
  }
  function(events, progress = NULL) {
    for (event in events) {
      if (event$event == "finished") say_counts(TRUE)
      counts$count(event)
      lines <- event_lines(event, counts)
      if (length(lines)) say(event_place(event, session), lines)
      if (event$event == "done") say_counts(FALSE)
    }
    say_counts(as.numeric(Sys.time() - said_at, units = "secs") > 2)
  }
}

event_place <- function(event, session) {
  if (is.null(event$step)) session$pathspec else paste(session$run, event$step, event$task, sep = "/")
}

# What one event is worth saying, as lines; nothing for many of them.
event_lines <- function(event, counts) {
  switch(event$event,
    output = unlist(event$lines),
    done = if (counts$done(event$step) <= named_tasks) done_text(event),
    failed = strsplit(failure_text(event), "\n", fixed = TRUE)[[1]],
    cloned = cloned_text(event),
    kept = sprintf("Goes on: %s done already.", count_of(event$count, "task")),
    suspended = "The run waits to be continued.",
    warning = paste("Warning:", event$text),
    finished = finished_text(event)
  )
}

cloned_text <- function(event) {
  if (!isTRUE(event$cached)) return(sprintf("%s taken over from run %s.", count_of(event$count, "finished task"), event$origin %||% "before"))
  steps <- vapply(names(event$by_step), function(step) {
    if (event$by_step[[step]] == 1L) step else sprintf("%d of %s", as.integer(event$by_step[[step]]), step)
  }, "")
  sprintf("Not run again, because an earlier task did the same: %s.", paste(steps, collapse = ", "))
}

done_text <- function(event) {
  if (!is.null(event$caught)) return(sprintf("Done in %s; the error is kept as '%s'.", format_seconds(event$seconds), event$caught))
  sprintf("Done in %s.", format_seconds(event$seconds))
}

failure_text <- function(event) {
  head <- if (isTRUE(event$fallback)) "Failed, and is caught." else if (isTRUE(event$will_retry)) {
    sprintf("Attempt %d failed%s, trying again%s%s.", event$attempt + 1L,
      if (identical(event$cause, "oom") && length(event$error$frames)) " for lack of memory" else "",
      if (isTRUE(event$retry_seconds > 0.5)) paste(" in", format_seconds(event$retry_seconds)) else "",
      if (is.null(event$memory_mb)) "" else sprintf(" with %s MB of memory", format(event$memory_mb, big.mark = "", scientific = FALSE)))
  } else if (isTRUE(event$given_up)) {
    "Failed; the run goes on without it."
  } else {
    "Failed."
  }
  # An R error was printed by the task itself, with its call stack; not so that R, or a job, did not start.
  no_task <- any(c("metaflow_backend_error", "metaflow_setup_error") %in% unlist(event$error$classes))
  told <- event$cause == "error" && !no_task || length(event$error$frames)
  if (told) head else paste(head, event$error$message)
}

finished_text <- function(event) {
  took <- format_seconds(event$seconds)
  if (event$status == "completed") {
    without <- if (isTRUE(event$given_up > 0)) sprintf(", without %s that failed", count_of(event$given_up, "task")) else ""
    return(sprintf("Run completed in %s%s.", took, without))
  }
  if (event$status == "interrupted") return(sprintf("Run interrupted after %s. Continue with resume.", took))
  if (!is.null(event$error$step)) {
    return(sprintf("Run failed after %s in %s/%s. Mend the cause and continue with resume.", took, event$error$step, event$error$task))
  }
  c(sprintf("Run failed after %s.", took), strsplit(event$error$message %||% "", "\n", fixed = TRUE)[[1]])
}

# Tasks per step: started, running, done, failed, cloned.
new_step_counts <- function(flow) {
  steps <- names(flow$steps)
  table <- matrix(0L, length(steps), 5L, dimnames = list(steps, c("started", "done", "failed", "retried", "cloned")))
  seconds <- stats::setNames(numeric(length(steps)), steps)
  began <- stats::setNames(rep(NA_real_, length(steps)), steps)
  unsaid <- character()
  total <- stats::setNames(integer(length(steps)), steps)
  bump <- function(step, column, by = 1L) table[step, column] <<- table[step, column] + as.integer(by)
  list(
    count = function(event) {
      step <- event$step
      switch(event$event,
        started = {
          bump(step, if (event$attempt == 0L) "started" else "retried")
          if (is.na(began[[step]])) began[[step]] <<- as.numeric(Sys.time())
        },
        done = {
          bump(step, "done")
          # From the first task's start to the last one's end; a task that is alone knows it better.
          seconds[[step]] <<- if (total[[step]] > 1L) as.numeric(Sys.time()) - began[[step]] else event$seconds %||% 0
          if (table[step, "done"] > named_tasks) unsaid <<- union(unsaid, step)
        },
        failed = if (!isTRUE(event$will_retry)) bump(step, "failed"),
        cloned = , kept = for (name in names(event$by_step)) bump(name, "cloned", event$by_step[[name]]),
        split = total[[event$into]] <<- total[[event$into]] + as.integer(event$count)
      )
    },
    done = function(step) table[step, "done"],
    # Wide steps whose count is due to be said: when time has passed, or when they are complete.
    due = function(passed) {
      complete <- unsaid[vapply(unsaid, function(s) table[s, "done"] + table[s, "failed"] >= table[s, "started"] && table[s, "done"] + table[s, "cloned"] >= total[[s]], FALSE)]
      now <- if (passed) unsaid else complete
      unsaid <<- setdiff(unsaid, now)
      now
    },
    text = function(step) sprintf("%d of %s done.", table[step, "done"] + table[step, "cloned"], count_of(max(total[[step]], table[step, "started"] + table[step, "cloned"]), "task")),
    row = function(step) c(table[step, ], total = total[[step]]),
    seconds = function(step) seconds[[step]],
    steps = steps
  )
}

format_seconds <- function(seconds) {
  if (is.null(seconds) || !is.finite(seconds)) return("?")
  if (seconds < 1) return(sprintf("%.0f ms", seconds * 1000))
  if (seconds < 60) return(sprintf("%.1f s", seconds))
  if (seconds < 3600) return(sprintf("%d min %02d s", seconds %/% 60, floor(seconds %% 60)))
  sprintf("%d h %02d min", seconds %/% 3600, seconds %% 3600 %/% 60)
}
