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
  calls <- file_calls()
  out <- calls$create(stdout)
  calls$set_stdout(out)
  calls$close(out)
  err <- calls$create(stderr)
  calls$set_stderr(err)
  calls$close(err)
  invisible()
}
