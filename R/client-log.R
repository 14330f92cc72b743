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

place_loglines <- function(place, streams = c("stdout", "stderr"), attempt = NULL) {
  columns <- browse_at(place, "lines", streams = I(as.character(streams)), attempt = attempt_number(attempt))
  data.frame(
    step = text_column(columns$step), task = text_column(columns$task), stream = text_column(columns$stream),
    line = text_column(columns$line), stringsAsFactors = FALSE
  )
}

# The same for whoever has a pathspec of a run, a step or a task.
log_lines <- function(pathspec, streams = c("stdout", "stderr"), attempt = NULL) {
  parts <- lengths(strsplit(pathspec, "/", fixed = TRUE))
  place_loglines(find_place(switch(min(parts, 4L), "run", "run", "step", "task"), pathspec), streams, attempt)
}
