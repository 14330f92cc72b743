# Where a task prints to.
#
# Whatever the process prints from now on, and what it starts, goes into these files. They are no connections of R, which
# closeAllConnections() in a step would close: what is printed then would go into the next file that the step opens.
redirect_output <- function(stdout, stderr) {
  flush(stdout())
  flush(stderr())
  redirect_streams(stdout, stderr)
}

# Where nothing was printed before. A stream is a duplicate of its connection, which would stay open until R collects garbage.
redirect_streams <- function(stdout, stderr) {
  calls <- the$log_calls %||% find_log_calls()
  out <- calls$create(stdout)
  calls$set_stdout(out)
  calls$close(out)
  err <- calls$create(stderr)
  calls$set_stderr(err)
  calls$close(err)
  invisible()
}

# The functions of processx look at their arguments for 0.2 ms each, see native-routines.R.
find_log_calls <- function(native = native_log_calls()) {
  the$log_calls <- native %||% list(
    create = function(path) processx::conn_create_file(path, write = TRUE),
    close = function(con) close(con), set_stdout = processx::conn_set_stdout, set_stderr = processx::conn_set_stderr
  )
  the$log_calls
}

# NULL when processx has others.
native_log_calls <- function() {
  routines <- known_routines("processx", "c_processx_connection_", c(create_file = 3L, close = 1L, set_stdout = 2L, set_stderr = 2L))
  if (is.null(routines)) return(NULL)
  list(
    create = function(path) .Call(routines$create_file, path, FALSE, TRUE),
    close = function(con) .Call(routines$close, con),
    set_stdout = function(con) .Call(routines$set_stdout, con, TRUE),
    set_stderr = function(con) .Call(routines$set_stderr, con, TRUE)
  )
}
