# How clients are printed: a headline that names the thing and its status, then one line per fact.

# `facts`: a named list of texts; those that are NULL or empty are left out.
print_facts <- function(headline, facts) {
  facts <- Filter(function(x) length(x) && any(nzchar(x)), facts)
  cat(headline, "\n", sep = "")
  if (!length(facts)) return(invisible())
  label <- format(names(facts))
  room <- max(20L, cli::console_width() - nchar(label[[1]]) - 4L)
  for (i in seq_along(facts)) {
    lines <- cli::ansi_strwrap(facts[[i]], room)
    margin <- c(cli::col_grey(label[[i]]), rep(strrep(" ", nchar(label[[i]])), length(lines) - 1L))
    cat(paste0("  ", margin, "  ", lines, "\n"), sep = "")
  }
  invisible()
}

headline <- function(what, name, status = NULL) {
  text <- paste0(cli::col_grey(paste0("<metaflow ", what, ">")), " ", cli::style_bold(name))
  if (is.null(status)) text else paste0(text, ": ", styled_status(status))
}

styled_status <- function(status) {
  vapply(status, function(s) {
    switch(s,
      completed = , done = , cloned = cli::col_green(s),
      failed = cli::col_red(s),
      lost = cli::col_red(status_words(s)),
      interrupted = , caught = , retrying = cli::col_yellow(s),
      running = cli::col_cyan(s),
      s
    )
  }, "", USE.NAMES = FALSE)
}

# A run whose process is gone has failed; that nobody was there to say so is said in brackets.
status_words <- function(status) ifelse(status == "lost", "failed (lost)", status)

as_time <- function(seconds) .POSIXct(if (is.null(seconds)) NA_real_ else as.numeric(seconds))

shown_time <- function(seconds) if (is.null(seconds)) NULL else format(as_time(seconds), "%Y-%m-%d %H:%M:%S")

# Seconds from start to end; to now while it runs.
span_seconds <- function(started, finished, running = FALSE) {
  if (is.null(started)) return(NA_real_)
  if (is.null(finished)) {
    if (!running) return(NA_real_)
    finished <- as.numeric(Sys.time())
  }
  max(0, finished - started)
}

shown_span <- function(started, finished, running = FALSE) {
  if (is.null(started)) return(NULL)
  seconds <- span_seconds(started, finished, running)
  paste0(shown_time(started), if (!is.na(seconds)) paste0(", ", format_seconds(seconds), if (running) " so far"))
}

shown_names <- function(x, most = 20L) {
  if (length(x) > most) x <- c(x[seq_len(most)], sprintf("... (%d in all)", length(x)))
  paste(x, collapse = ", ")
}

# Columns of texts side by side, with a header.
print_table <- function(columns, indent = "  ") {
  columns <- Filter(function(x) any(nzchar(x)), columns)
  wide <- vapply(names(columns), function(name) max(cli::ansi_nchar(c(name, columns[[name]]))), 0L)
  # In a narrow console a long name is shortened before the other columns are cut off.
  over <- nchar(indent) + sum(wide) + 2L * (length(wide) - 1L) - cli::console_width()
  if (over > 0L) columns[[1]] <- cli::ansi_strtrim(columns[[1]], max(12L, wide[[1]] - over))
  cells <- Map(function(name, x) cli::ansi_align(c(cli::col_grey(name), x), max(cli::ansi_nchar(c(name, x)))), names(columns), columns)
  lines <- do.call(paste, c(unname(cells), sep = "  "))
  lines <- vapply(paste0(indent, lines), function(l) sub("\\s+$", "", cli::ansi_strtrim(l, cli::console_width())), "", USE.NAMES = FALSE)
  cat(lines, sep = "\n")
}
