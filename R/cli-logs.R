command_logs <- function() {
  cli_command("show what tasks printed", words = "[show|scrub] RUN[/STEP[/TASK]]", options = list(
    cli_option("step", "of this step of the run"), cli_option("task", "of this task of the step", value = "ID"),
    cli_option("stdout", "only stdout", "flag"), cli_option("stderr", "only stderr", "flag"),
    cli_option("attempt", "this attempt of a task (default: the last)", value = "N"),
    cli_option("timestamps", "when each line was written, to half a second or so", "flag"),
    cli_option("follow", "go on until the run has ended", "flag"), json_option()
  ), perform = function(flow, parsed, given) {
    words <- parsed$words
    action <- if (length(words) && words[[1]] %in% c("show", "scrub")) words[[1]] else "show"
    if (length(words) && words[[1]] == action) words <- words[-1]
    pathspec <- typed_pathspec(flow, logged_words(words, parsed$options), "logs")
    if (action == "scrub") return(scrub_command(pathspec, parsed$options))
    if (isTRUE(parsed$options$follow)) return(follow_command(pathspec, parsed$options))
    times <- isTRUE(parsed$options$timestamps)
    lines <- log_lines(pathspec, streams = wanted_streams(parsed$options), attempt = parsed$options$attempt, times = times)
    if (nrow(lines) || isTRUE(parsed$options$json)) show_lines(lines, pathspec, isTRUE(parsed$options$json), all_at_once = TRUE)
    0L
  })
}

# As a JSON array, or a JSON value a line; or as text, with what tells tasks apart where there are several.
show_lines <- function(lines, pathspec, as_json, all_at_once = FALSE) {
  if (as_json) {
    if (!is.null(lines$time)) lines$time <- format(lines$time, "%Y-%m-%dT%H:%M:%OS2Z", tz = "UTC")
    values <- lapply(seq_len(nrow(lines)), function(i) as.list(lines[i, ]))
    if (all_at_once) print_json(values) else for (value in values) print_json(value)
    return(invisible())
  }
  at <- if (is.null(lines$time)) "" else ifelse(is.na(lines$time), "", format(lines$time, "%Y-%m-%d %H:%M:%S "))
  several <- length(strsplit(pathspec, "/", fixed = TRUE)[[1]]) < 4L
  put_lines(paste0(at, if (several) sprintf("[%s/%s] ", lines$step, lines$task), lines$line))
}

# `logs 12 --step fit --task 7` is `logs 12/fit/7`.
logged_words <- function(words, options) {
  if (is.null(options$step) && !is.null(options$task)) usage_error("--task needs --step.", "Write --step fit --task 7, or RUN/fit/7.")
  if (length(words) == 1L && length(c(options$step, options$task))) paste(c(words, options$step, options$task), collapse = "/") else words
}

# Removes what tasks have printed from the datastore, for good: somebody printed a password.
scrub_command <- function(pathspec, options) {
  place <- logged_place(pathspec)
  done <- core_call("upkeep.scrub", view = everywhere(place$view), pathspec = place$pathspec, attempt = attempt_number(options$attempt))
  if (isTRUE(options$json)) print_json(done)
  else cat(sprintf("Removed what %s had printed: %s.\n", count_of(done$attempts, "attempt"), format_bytes(done$size_bytes)))
  0L
}

# Lines as they are written, from whatever machine: one JSON value a line with --json.
follow_command <- function(pathspec, options) {
  if (!is.null(options$attempt)) usage_error("--follow shows all attempts.", "Leave out --attempt.")
  follow_logs(pathspec, wanted_streams(options), told = function(lines) {
    if (isTRUE(options$timestamps)) lines$time <- Sys.time()
    show_lines(lines, pathspec, isTRUE(options$json))
  })
  0L
}

wanted_streams <- function(options) {
  both <- c("stdout", "stderr")
  chosen <- both[c(isTRUE(options$stdout), isTRUE(options$stderr))]
  if (length(chosen)) chosen else both
}
