# Where a task prints to.
#
# Whatever the process prints from now on, and what it starts, goes into these files. They are no connections of R, which
# closeAllConnections() in a step would close: what is printed then would go into the next file that the step opens.
redirect_output <- function(stdout, stderr) {
  flush(stdout())
  flush(stderr())
  calls <- the$log_calls %||% find_log_calls()
  redirect_one(calls, stdout, calls$set_stdout)
  redirect_one(calls, stderr, calls$set_stderr)
  invisible()
}

# The stream is a duplicate of the connection, which would stay open until R collects garbage.
redirect_one <- function(calls, path, set) {
  con <- calls$create(path)
  on.exit(calls$close(con))
  set(con)
}

# The functions of processx look at their arguments for 0.2 ms each, and a forked child copies 100 pages for that, so the
# routines below them are called where they are the ones that we know.
find_log_calls <- function(native = native_log_calls()) {
  the$log_calls <- native %||% list(
    create = function(path) processx::conn_create_file(path, write = TRUE),
    close = function(con) close(con), set_stdout = processx::conn_set_stdout, set_stderr = processx::conn_set_stderr
  )
  the$log_calls
}

# NULL when processx has other routines, or some that take other arguments.
native_log_calls <- function() {
  arguments <- c(create_file = 3L, close = 1L, set_stdout = 2L, set_stderr = 2L)
  routines <- mget(paste0("c_processx_connection_", names(arguments)), envir = asNamespace("processx"), ifnotfound = list(NULL))
  routines <- stats::setNames(routines, names(arguments))
  if (!all(vapply(routines, inherits, FALSE, "NativeSymbolInfo"))) return(NULL)
  if (!identical(vapply(routines, `[[`, 0L, "numParameters"), arguments)) return(NULL)
  list(
    create = function(path) .Call(routines$create_file, path, FALSE, TRUE),
    close = function(con) .Call(routines$close, con),
    set_stdout = function(con) .Call(routines$set_stdout, con, TRUE),
    set_stderr = function(con) .Call(routines$set_stderr, con, TRUE)
  )
}
