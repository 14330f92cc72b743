# What a run prints. The engine tells events, these functions show them: plain lines with the time of
# day where output goes to a file, a block of one line per step on a terminal.

new_reporter <- function(flow, session) plain_reporter(flow, session)

plain_reporter <- function(flow, session) {
  say <- function(where, text) cat(sprintf("%s [%s] %s\n", format(Sys.time(), "%Y-%m-%d %H:%M:%S"), where, text), sep = "")
  say(session$pathspec, sprintf("Run started: %s", session$root))
  function(events, progress = NULL) {
    for (event in events) report_plain(event, session, say)
  }
}

report_plain <- function(event, session, say) {
  where <- if (is.null(event$step)) session$pathspec else paste(session$run, event$step, event$task, sep = "/")
  switch(event$event,
    started = NULL,
    output = say(where, unlist(event$lines)),
    done = say(where, sprintf("Done in %s.", format_seconds(event$seconds))),
    failed = say(where, strsplit(failure_text(event), "\n", fixed = TRUE)[[1]]),
    cloned = say(where, sprintf("%d finished task%s taken over.", event$count, if (event$count == 1) "" else "s")),
    warning = say(where, paste("Warning:", event$text)),
    finished = say(where, finished_text(event))
  )
}

failure_text <- function(event) {
  head <- if (isTRUE(event$fallback)) "Failed, and is caught." else if (isTRUE(event$will_retry)) {
    sprintf("Attempt %d failed, trying again%s.", event$attempt + 1L,
      if (isTRUE(event$retry_seconds > 0.5)) paste(" in", format_seconds(event$retry_seconds)) else "")
  } else "Failed."
  if (event$cause == "error") head else paste(head, event$error$message)
}

finished_text <- function(event) {
  switch(event$status,
    completed = sprintf("Done in %s.", format_seconds(event$seconds)),
    interrupted = "Interrupted. Continue with resume.",
    sprintf("Failed after %s%s. Continue with resume.", format_seconds(event$seconds),
      if (is.null(event$error$step)) paste0(": ", event$error$message) else sprintf(" in %s/%s", event$error$step, event$error$task))
  )
}

format_seconds <- function(seconds) {
  if (is.null(seconds) || !is.finite(seconds)) return("?")
  if (seconds < 1) return(sprintf("%.0f ms", seconds * 1000))
  if (seconds < 60) return(sprintf("%.1f s", seconds))
  if (seconds < 3600) return(sprintf("%d min %02d s", seconds %/% 60, round(seconds %% 60)))
  sprintf("%d h %02d min", seconds %/% 3600, seconds %% 3600 %/% 60)
}
