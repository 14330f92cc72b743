# Many rows come from the core as columns: lists with one JSON value per row, NULL where there is none.

text_column <- function(x) as.character(flat_column(x))

number_column <- function(x) as.numeric(flat_column(x))

# Ten thousand rows are unlisted at once; a function call for each is what would take the time.
flat_column <- function(x) {
  missing <- lengths(x) == 0L
  if (any(missing)) x[missing] <- NA
  unlist(x, use.names = FALSE)
}

whole_column <- function(x) as.integer(number_column(x))

flag_column <- function(x) vapply(x, function(v) if (is.null(v)) NA else isTRUE(v), NA)

time_column <- function(x) .POSIXct(number_column(x))

seconds_column <- function(started, finished, running = FALSE) {
  until <- number_column(finished)
  until[is.na(until) & running] <- as.numeric(Sys.time())
  pmax(0, until - number_column(started))
}

field_of <- function(rows, name) lapply(rows, function(row) row[[name]])

# A data frame that prints seconds and bytes as people read them. The columns hold plain numbers.
new_table <- function(...) {
  columns <- data.frame(..., stringsAsFactors = FALSE, check.names = FALSE)
  structure(columns, class = c("metaflow_table", "data.frame"))
}

#' @export
print.metaflow_table <- function(x, ...) {
  shown <- x
  class(shown) <- "data.frame"
  for (name in grep("(^|_)(seconds|bytes)$", names(shown), value = TRUE)) {
    as_text <- if (endsWith(name, "seconds")) format_seconds else format_bytes
    shown[[name]] <- vapply(x[[name]], function(v) if (is.na(v)) "-" else as_text(v), "")
  }
  if (is.character(shown$status)) shown$status <- status_words(shown$status)
  for (name in names(shown)) {
    if (inherits(shown[[name]], "POSIXct")) shown[[name]] <- format(shown[[name]], "%Y-%m-%d %H:%M:%S")
    unknown <- if (is.list(shown[[name]])) FALSE else is.na(shown[[name]])
    if (any(unknown)) shown[[name]] <- ifelse(unknown, "-", shown[[name]])
  }
  print(shown, right = FALSE, row.names = FALSE, ...)
  invisible(x)
}
