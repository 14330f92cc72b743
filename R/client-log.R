# What tasks printed.

task_log <- function(place, stream) new_log(browse_at(place, "log", stream = stream)$text)

# One string, which the console shows as it was printed.
new_log <- function(text) structure(text, class = c("metaflow_log", "character"))

#' @export
print.metaflow_log <- function(x, ...) {
  text <- as.character(x)
  cat(text, if (nzchar(text) && !endsWith(text, "\n")) "\n", sep = "")
  invisible(x)
}

#' @export
as.character.metaflow_log <- function(x, ...) as.vector(unclass(x))

task_loglines <- function(place, streams, attempt) {
  lines <- place_loglines(place, streams, attempt)
  lines[c("stream", "line")]
}

# With `times`, also when each line was first seen.
place_loglines <- function(place, streams = c("stdout", "stderr"), attempt = NULL, times = FALSE) {
  columns <- browse_at(place, "lines", streams = I(as.character(streams)), attempt = attempt_number(attempt), times = times)
  lines <- line_table(columns)
  if (times) lines$time <- as.POSIXct(number_column(columns$time), origin = "1970-01-01")
  lines
}

line_table <- function(columns) {
  data.frame(
    step = text_column(columns$step), task = text_column(columns$task), stream = text_column(columns$stream),
    line = text_column(columns$line), stringsAsFactors = FALSE
  )
}

# Calls `told(lines)`, a data frame of step, task, stream and line, for what is new, until the run has ended; returns its
# status. In slices, so that Ctrl-C is R's own.
follow_logs <- function(pathspec, streams = c("stdout", "stderr"), told, slice_seconds = 0.5) {
  place <- if (inherits(pathspec, "metaflow_place")) pathspec else logged_place(pathspec)
  follower <- browse_follow(place, streams)
  on.exit(core_call("follow.stop", follower = follower))
  repeat {
    said <- core_call("follow.advance", follower = follower, timeout = slice_seconds)
    if (length(said$lines$line)) {
      told(line_table(said$lines))
    }
    if (said$finished) return(said$status)
  }
}

browse_follow <- function(place, streams) {
  core_call("follow.start", view = everywhere(place$view), pathspec = place$pathspec, streams = I(as.character(streams)))
}

# The same for whoever has a pathspec of a run, a step or a task.
log_lines <- function(pathspec, streams = c("stdout", "stderr"), attempt = NULL, times = FALSE) {
  place_loglines(logged_place(pathspec), streams, attempt, times)
}

logged_place <- function(pathspec) {
  parts <- lengths(strsplit(pathspec, "/", fixed = TRUE))
  find_place(switch(min(parts, 4L), "run", "run", "step", "task"), pathspec)
}
