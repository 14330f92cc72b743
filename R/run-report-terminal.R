# The block at the bottom of a terminal: one line per step that has begun, redrawn in place. What tasks
# print scrolls by above it.
terminal_reporter <- function(flow, session) {
  counts <- new_step_counts(flow)
  drawn <- 0L
  running <- list()
  began <- Sys.time()
  erase <- function() {
    if (drawn) cat(sprintf("\r\033[%dA\033[J", drawn))
    drawn <<- 0L
  }
  draw <- function() {
    lines <- step_block(counts, running, began)
    if (length(lines)) writeLines(cli::ansi_strtrim(lines, cli::console_width()))
    drawn <<- length(lines)
  }
  cat(cli::col_cyan(session$pathspec), cli::col_grey(paste(" in", session$root)), "\n", sep = "")
  function(events, progress = NULL) {
    erase()
    for (event in events) {
      counts$count(event)
      running <<- track_running(running, event)
      if (event$event == "finished") next
      if (event$event == "done" && is.null(event$caught)) next
      lines <- event_lines(event, counts)
      if (length(lines)) writeLines(paste(terminal_place(event), terminal_style(event, lines)))
    }
    draw()
    last <- Filter(function(e) e$event == "finished", events)
    if (length(last)) {
      drawn <<- 0L
      mark <- if (last[[1]]$status == "completed") cli::col_green(cli::symbol$tick) else cli::col_red(cli::symbol$cross)
      cat(mark, " ", session$pathspec, ": ", paste(finished_text(last[[1]]), collapse = "\n  "), "\n", sep = "")
    }
  }
}

track_running <- function(running, event) {
  if (event$event == "started") running[[event$step]] <- union(running[[event$step]], event$task)
  if (event$event %in% c("done", "failed")) running[[event$step]] <- setdiff(running[[event$step]], event$task)
  running
}

terminal_place <- function(event) {
  cli::col_grey(if (is.null(event$step)) cli::symbol$bullet else sprintf("[%s/%s]", event$step, event$task))
}

terminal_style <- function(event, lines) {
  switch(event$event,
    failed = cli::col_red(lines),
    warning = cli::col_yellow(lines),
    output = if (identical(event$stream, "stderr")) cli::col_silver(lines) else lines,
    lines
  )
}

# "✔ fit   16 done · 2 failed            3.2 s", one line per step that has begun.
step_block <- function(counts, running, began) {
  begun <- Filter(function(s) sum(counts$row(s)) > 0L, counts$steps)
  # A long name must not push the counts off a narrow terminal.
  wide <- min(max(nchar(begun), 0L), max(12L, cli::console_width() - 40L))
  vapply(begun, function(step) {
    n <- as.list(counts$row(step))
    active <- length(running[[step]])
    total <- max(n$total, n$started + n$cloned)
    finished <- n$done + n$cloned
    mark <- if (n$failed) cli::col_red(cli::symbol$cross) else if (!active && finished >= total) cli::col_green(cli::symbol$tick) else cli::col_cyan(spinner_frame(began))
    parts <- c(
      if (total > 1L) sprintf("%d of %d done", finished, total) else if (finished) "done",
      if (active) sprintf("%d running", active),
      if (n$failed) cli::col_red(sprintf("%d failed", n$failed)),
      if (n$retried) sprintf("%d tried again", n$retried),
      if (n$cloned) sprintf("%d taken over", n$cloned)
    )
    took <- if (n$done) paste0("  ", cli::col_grey(format_seconds(counts$seconds(step)))) else ""
    between <- if (cli::is_utf8_output()) " \u00b7 " else ", "
    sprintf("%s %s  %s%s", mark, formatC(cli::ansi_strtrim(step, wide), width = -wide), paste(parts, collapse = between), took)
  }, "")
}

spinner_frame <- function(began) {
  frames <- if (cli::is_utf8_output()) c("\u280b", "\u2819", "\u2838", "\u2834", "\u2826", "\u2807") else c("|", "/", "-", "\\")
  frames[[as.integer(as.numeric(Sys.time() - began, units = "secs") * 10) %% length(frames) + 1L]]
}
