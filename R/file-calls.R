# Files as processx opens them, which are no connections of R: closeAllConnections() in a step leaves them alone, a full disk is
# an error, and a forked child pays a third for them, see native-routines.R.
#
# `create(path)` opens a file for writing and empties it, `read(path)` one for reading; both give what the others take.
# `write(con, bytes)` is what is left to be written.
file_calls <- function() the$file_calls %||% find_file_calls()

find_file_calls <- function(native = native_file_calls()) {
  the$file_calls <- native %||% list(
    create = function(path) processx::conn_create_file(path, write = TRUE),
    read = function(path) processx::conn_create_file(path, read = TRUE),
    write = function(con, bytes) processx::conn_write(con, bytes),
    close = function(con) close(con), set_stdout = processx::conn_set_stdout, set_stderr = processx::conn_set_stderr
  )
  the$file_calls
}

# NULL when processx has others.
native_file_calls <- function() {
  routines <- known_routines("processx", "c_processx_connection_", c(
    create_file = 3L, write_bytes = 2L, close = 1L, set_stdout = 2L, set_stderr = 2L
  ))
  if (is.null(routines)) return(NULL)
  list(
    create = function(path) .Call(routines$create_file, path, FALSE, TRUE),
    read = function(path) .Call(routines$create_file, path, TRUE, FALSE),
    write = function(con, bytes) .Call(routines$write_bytes, con, bytes),
    close = function(con) .Call(routines$close, con),
    set_stdout = function(con) .Call(routines$set_stdout, con, TRUE),
    set_stderr = function(con) .Call(routines$set_stderr, con, TRUE)
  )
}

write_all <- function(con, bytes, calls = file_calls()) {
  while (length(bytes)) bytes <- calls$write(con, bytes)
}

# A new file of these bytes.
write_file <- function(path, bytes) {
  calls <- file_calls()
  con <- calls$create(path)
  on.exit(calls$close(con))
  write_all(con, bytes, calls)
}
