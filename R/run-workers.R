# Workers of this machine that a session starts itself: they are up while Python loads.

workers_to_start <- function(max_workers) {
  max(1L, min(as.integer(max_workers %||% default_workers()), default_workers()))
}

start_workers <- function(mode, count) {
  lapply(seq_len(count), function(i) {
    command <- worker_command(mode)
    mark <- sprintf("%d-%d-%.0f", Sys.getpid(), i, as.numeric(Sys.time()) * 1e6)
    process <- processx::process$new(command[[1]], command[-1],
      stdin = "|", stdout = "|", stderr = NULL, env = c("current", worker_environment(mark)), cleanup = FALSE
    )
    list(process = process, mark = mark)
  })
}

default_workers <- function() {
  count <- suppressWarnings(parallel::detectCores())
  if (is.na(count)) 1L else as.integer(count)
}

# The core reads and writes the pipes by their descriptors: it lives in this process.
worker_ends <- function(worker) {
  list(
    pid = worker$process$get_pid(),
    stdin = processx::conn_get_fileno(worker$process$get_input_connection()),
    stdout = processx::conn_get_fileno(worker$process$get_output_connection()),
    mark = worker$mark
  )
}

close_worker <- function(worker) {
  close(worker$process$get_input_connection())
  close(worker$process$get_output_connection())
}
