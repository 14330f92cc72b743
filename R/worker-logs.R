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

native_log_calls <- function() {
  names <- c(create = "create_file", close = "close", set_stdout = "set_stdout", set_stderr = "set_stderr")
  routines <- mget(paste0("c_processx_connection_", names), envir = asNamespace("processx"), ifnotfound = list(NULL))
  names(routines) <- names(names)
  known <- vapply(routines, function(routine) inherits(routine, "NativeSymbolInfo"), FALSE)
  if (!all(known) || !identical(vapply(routines, `[[`, 0L, "numParameters"), c(create = 3L, close = 1L, set_stdout = 2L, set_stderr = 2L))) {
    return(NULL)
  }
  list(
    create = function(path) .Call(routines$create, path, FALSE, TRUE),
    close = function(con) .Call(routines$close, con),
    set_stdout = function(con) .Call(routines$set_stdout, con, TRUE),
    set_stderr = function(con) .Call(routines$set_stderr, con, TRUE)
  )
}
