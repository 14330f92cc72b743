# Lists of clients, as `flow$runs`, `run$steps`, `step$tasks`: ordinary named lists, which print as a table.

new_clients <- function(places, names, what) {
  structure(lapply(places, as_client), names = names, class = "metaflow_clients", what = what)
}

clients_at <- function(place, level, pathspecs, parts = 1L) {
  new_clients(lapply(pathspecs, child_place, place = place, level = level), pathspec_tail(pathspecs, parts), level)
}

#' @export
`[.metaflow_clients` <- function(x, i) {
  structure(unclass(x)[i], class = "metaflow_clients", what = attr(x, "what"))
}

#' @export
`[[.metaflow_clients` <- function(x, i, ...) {
  if (is.character(i)) list_member(x, i) else unclass(x)[[i]]
}

#' @export
`$.metaflow_clients` <- function(x, name) list_member(x, name)

list_member <- function(x, name) {
  i <- match(name, names(x))
  if (!is.na(i)) return(unclass(x)[[i]])
  mf_abort(sprintf("There is no %s '%s' in this list.", attr(x, "what"), name), "metaflow_not_found_error",
    if (length(x)) missing_hint(name, names(x)) else "It is empty.")
}

#' @export
as.character.metaflow_clients <- function(x, ...) vapply(unclass(x), as.character, "", USE.NAMES = FALSE)

#' @export
format.metaflow_clients <- function(x, ...) as.character(x)

#' @export
print.metaflow_clients <- function(x, max = 20L, ...) {
  cat(cli::col_grey(sprintf("<metaflow %ss>", attr(x, "what"))), " ", length(x), shown_parent(x), "\n", sep = "")
  shown <- utils::head(unclass(x), max)
  if (length(shown)) {
    rows <- lapply(shown, client_row)
    fields <- names(rows[[1]])
    columns <- lapply(fields, function(f) vapply(rows, function(row) as.character(row[[f]] %||% ""), "", USE.NAMES = FALSE))
    names(columns) <- fields
    columns <- c(stats::setNames(list(names(shown)), attr(x, "what")), columns)
    if ("status" %in% fields) columns$status <- styled_status(columns$status)
    print_table(columns)
  }
  if (length(x) > max) cat("  ... and ", length(x) - max, " more\n", sep = "")
  invisible(x)
}

# " of Flow/12", when all are of the same.
shown_parent <- function(x) {
  parents <- unique(lapply(unclass(x), function(client) parent_place(client_place(client))$pathspec))
  if (length(parents) == 1L && !is.null(parents[[1]])) paste(" of", parents[[1]])
}

# A task is called "2": at the console that completes to `2` with its quotes, without which R would not read it. RStudio
# and Positron put the quotes there by themselves.
#' @rawNamespace S3method(.DollarNames, metaflow_clients)
.DollarNames.metaflow_clients <- function(x, pattern = "") {
  found <- grep(pattern, names(x), value = TRUE)
  quoted_by_editor <- .Platform$GUI == "RStudio" || nzchar(Sys.getenv("POSITRON"))
  if (quoted_by_editor) found else ifelse(make.names(found) == found, found, paste0("`", found, "`"))
}

# What the table says about one client: named texts.
client_row <- function(client) {
  place <- client_place(client)
  switch(place$level,
    flow = flow_row(place), run = run_row(place), step = step_row(place), task = task_row(place)
  )
}
