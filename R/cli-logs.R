command_logs <- function() {
  cli_command("show what tasks printed", words = "[show] RUN[/STEP[/TASK]]", options = list(
    cli_option("stdout", "only stdout", "flag"), cli_option("stderr", "only stderr", "flag"),
    cli_option("attempt", "this attempt of a task (default: the last)", value = "N"), json_option()
  ), perform = function(flow, parsed, given) {
    words <- parsed$words
    if (length(words) && words[[1]] == "show") words <- words[-1]
    pathspec <- typed_pathspec(flow, words, "logs")
    lines <- log_lines(pathspec, streams = wanted_streams(parsed$options), attempt = parsed$options$attempt)
    if (isTRUE(parsed$options$json)) {
      print_json(lapply(seq_len(nrow(lines)), function(i) as.list(lines[i, ])))
    } else if (nrow(lines)) {
      several <- length(strsplit(pathspec, "/", fixed = TRUE)[[1]]) < 4L
      put_lines(if (several) sprintf("[%s/%s] %s", lines$step, lines$task, lines$line) else lines$line)
    }
    0L
  })
}

wanted_streams <- function(options) {
  both <- c("stdout", "stderr")
  chosen <- both[c(isTRUE(options$stdout), isTRUE(options$stderr))]
  if (length(chosen)) chosen else both
}
