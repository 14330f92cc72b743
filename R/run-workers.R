# Workers of this machine that a session starts itself: they are up while Python loads.

workers_to_start <- function(max_workers) {
  max(1L, min(as.integer(max_workers %||% default_workers()), default_workers()))
}

# All begin at once, but where each core would have one, the last waits until the first is warm: this process is about to
# load a lot, and whoever shares its core or its memory slows it down. A worker costs about a third of what is loaded, so
# the last is warm in time.
start_workers <- function(mode, count) {
  gate <- if (count > 1L && count >= default_workers() && .Platform$OS.type != "windows") processx::conn_create_pipepair(nonblocking = c(FALSE, FALSE))
  on.exit(lapply(gate, close))
  lapply(seq_len(count), function(i) {
    if (i == 1L) start_worker(mode, i, gate[1])
    else if (i == count) start_worker(mode, i, gate[2], waiting)
    else start_worker(mode, i)
  })
}

# Waits until the other end of the gate is closed, by a worker that is warm or has died; then becomes what is to be run.
waiting <- c("/bin/sh", "-c", "read -r warm <&3; exec 3<&-; exec \"$@\"", "worker")

# `gate`: a connection that the worker finds as its descriptor 3.
start_worker <- function(mode, i, gate = NULL, before = character()) {
  command <- c(before, worker_command(mode, opens = length(gate) > 0L && !length(before)))
  mark <- sprintf("%d-%d-%.0f", Sys.getpid(), i, as.numeric(Sys.time()) * 1e6)
  process <- processx::process$new(command[[1]], command[-1],
    stdin = "|", stdout = "|", stderr = NULL, connections = as.list(gate), env = c("current", worker_environment(mark)), cleanup = FALSE
  )
  list(process = process, mark = mark)
}

# As many as the engine has slots by default: the cores that this process may use, also where it may use only some of the
# machine's (taskset, a container, a job of Slurm).
default_workers <- function() {
  status <- "/proc/self/status"
  listed <- if (file.exists(status)) grep("^Cpus_allowed_list:", readLines(status, warn = FALSE), value = TRUE)
  if (length(listed) == 1L) return(count_in_ranges(sub("^[^:]*:[[:space:]]*", "", listed)))
  count <- suppressWarnings(parallel::detectCores())
  if (is.na(count)) 1L else as.integer(count)
}

# "0-3,8" has five.
count_in_ranges <- function(text) {
  ranges <- lapply(strsplit(strsplit(text, ",", fixed = TRUE)[[1]], "-", fixed = TRUE), as.integer)
  sum(vapply(ranges, function(range) range[[length(range)]] - range[[1L]] + 1L, 0L))
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
