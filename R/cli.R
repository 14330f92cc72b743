run_command_line <- function(flow, given) {
  result <- perform_run(flow, given)
  if (result != 0L) quit(status = as.integer(result))
  invisible(result)
}
