# Upkeep of a datastore: what nobody needs goes, what is there is checked, and all of it is copied.

#' Delete old runs and what nobody needs
#'
#' Deletes runs, and then the stored values (blobs) that no run has any more. By default nothing is deleted: what would go
#' is printed, and `dry_run = FALSE` does it.
#'
#' Only runs that are seen through the namespace go, see [set_namespace()]. These stay in any case: the newest run of each
#' flow, runs that are going on, runs with the tag `"keep"`, and runs that another one, which stays, was resumed from or
#' took results over from. It is safe while runs are going on: values that were stored or needed within the last hour
#' stay for the next time.
#'
#' @param keep_last How many runs of each flow stay, the newest.
#' @param older_than Only runs that began longer ago go: a number of days, `"36h"`, `"30d"`, `"4w"` or a `difftime`. With
#'   `keep_last`, a run goes only if both allow it. With neither, no run goes, only values that nobody needs.
#' @param flow Name or client of a flow; `NULL` for all.
#' @param dry_run `FALSE` deletes.
#' @return Invisibly, a list: `runs`, a data frame of those that go or went (`run`, `status`, `created_at`, `user`,
#'   `bytes`); how many `blobs`; `bytes` in all; `dry_run`.
#' @export
#' @examples
#' \dontrun{
#' mf_gc(keep_last = 10, older_than = "30d")
#' mf_gc(keep_last = 10, older_than = "30d", dry_run = FALSE)
#' }
mf_gc <- function(keep_last = NULL, older_than = NULL, flow = NULL, dry_run = TRUE) {
  view <- if (inherits(flow, "metaflow_client")) client_place(flow)$view else current_view()
  if (!isTRUE(dry_run) && !isFALSE(dry_run)) {
    mf_abort(sprintf("'dry_run' must be TRUE or FALSE, not %s.", shown_value(dry_run)), "metaflow_usage_error")
  }
  found <- core_call("upkeep.gc",
    view = view, keep_last = kept_count(keep_last), older_than = age_seconds(older_than),
    flow = if (!is.null(flow)) known_flow(view, pathspec_text("flow", flow)), dry_run = dry_run
  )
  runs <- new_table(
    run = text_column(field_of(found$runs, "pathspec")), status = text_column(field_of(found$runs, "status")),
    created_at = time_column(field_of(found$runs, "created_at")), user = text_column(field_of(found$runs, "user")),
    bytes = number_column(field_of(found$runs, "size"))
  )
  told <- list(runs = runs, blobs = found$blobs, bytes = found$size_bytes, dry_run = dry_run)
  print_gc(told, found)
  invisible(told)
}

print_gc <- function(told, found) {
  what <- sprintf("%s and %s, %s", count_of(nrow(told$runs), "run"), count_of(told$blobs, "blob"), format_bytes(told$bytes))
  nothing <- !nrow(told$runs) && !told$blobs
  if (nothing) cat("Nothing to delete.\n")
  else cat(if (told$dry_run) "Would delete " else "Deleted ", what, ".\n", sep = "")
  if (nrow(told$runs)) {
    print_table(list(
      run = told$runs$run, status = styled_status(told$runs$status), started = format(told$runs$created_at, "%Y-%m-%d %H:%M:%S"),
      user = told$runs$user
    ))
  }
  if (found$young) {
    cat(sprintf("%s, %s, that no run names %s less than an hour old and %s.\n", count_of(found$young, "blob"), format_bytes(found$young_bytes),
      if (found$young == 1) "is" else "are", if (found$young == 1) "stays" else "stay"))
  }
  if (told$dry_run && !nothing) cat("Nothing was deleted. dry_run = FALSE does it.\n")
}

kept_count <- function(x) {
  if (is.null(x)) return(NULL)
  if (is.numeric(x) && length(x) == 1L && !is.na(x) && x >= 0 && x == floor(x)) return(min(x, 2^31))
  mf_abort(sprintf("'keep_last' must be a whole number, not %s.", shown_value(x)), "metaflow_usage_error")
}

# Seconds of 30 (days), "36h", "30d", "4w" or a difftime.
age_seconds <- function(x) {
  if (is.null(x)) return(NULL)
  seconds <- if (inherits(x, "difftime") && length(x) == 1L) as.numeric(x, units = "secs")
  else if (is.numeric(x) && length(x) == 1L) x * 86400
  else if (is_string(x) && grepl("^[0-9.]+ *[mhdw]$", x)) {
    unit <- c(m = 60, h = 3600, d = 86400, w = 604800)[[substring(x, nchar(x))]]
    suppressWarnings(as.numeric(sub(" *[mhdw]$", "", x))) * unit
  } else NA
  if (is.na(seconds) || seconds < 0) {
    mf_abort(sprintf("'older_than' must be a time span, not %s.", shown_value(x)), "metaflow_usage_error",
      "Use days as a number, \"36h\", \"30d\", \"4w\" or as.difftime(2, units = \"weeks\").")
  }
  seconds
}

# A name that is mistyped must not read as "nothing to delete".
known_flow <- function(view, flow) core_call("browse.flow", view = everywhere(view), flow = flow)$flow

#' Check the datastore
#'
#' Reads everything: each record, each reference from one to another, and each stored value, whose digest is computed again.
#' Nothing is changed.
#'
#' @return A data frame with one row for each thing that is not in order, which also prints what was looked at: `problem`,
#'   `key` (its place in the datastore) and `detail`. `problem` is `"damaged"` (not what its digest says, or not readable),
#'   `"missing"` (something names it), `"half-written"` (left behind by what was killed) or `"unreferenced"` (nobody
#'   names it; [mf_gc()] deletes it). `attr(x, "ok")` is `FALSE` when something is damaged or missing.
#' @export
#' @examples
#' \dontrun{
#' store_check()
#' attr(store_check(), "ok")
#' }
store_check <- function() {
  view <- current_view()
  found <- core_call("upkeep.check", view = view)
  table <- data.frame(
    problem = text_column(field_of(found$problems, "problem")), key = text_column(field_of(found$problems, "key")),
    detail = text_column(field_of(found$problems, "detail")), stringsAsFactors = FALSE
  )
  structure(table, class = c("metaflow_check", "data.frame"), ok = isTRUE(found$ok), root = view$datastore_root,
    counts = found[c("flows", "runs", "tasks", "blobs", "size_bytes")])
}

#' @export
print.metaflow_check <- function(x, ...) {
  counts <- attr(x, "counts")
  cat("Datastore ", attr(x, "root"), "\n", sep = "")
  cat(paste(count_of(counts$flows, "flow"), count_of(counts$runs, "run"), count_of(counts$tasks, "task"),
    paste(count_of(counts$blobs, "blob"), "of", format_bytes(counts$size_bytes)), sep = ", "), "\n", sep = "")
  if (!nrow(x)) {
    cat(cli::col_green("Everything is in order.\n"))
    return(invisible(x))
  }
  for (problem in unique(x$problem)) {
    rows <- x[x$problem == problem, ]
    heading <- paste0(nrow(rows), " ", problem)
    cat(if (problem %in% c("damaged", "missing")) cli::col_red(heading) else cli::col_yellow(heading), "\n", sep = "")
    shown <- utils::head(rows, 20L)
    cat(paste0("  ", shown$key, ": ", shown$detail), sep = "\n")
    if (nrow(rows) > 20L) cat("  ... and ", nrow(rows) - 20L, " more\n", sep = "")
  }
  cat(if (isTRUE(attr(x, "ok"))) "Nothing is lost. mf_gc() deletes what nobody needs.\n"
  else "What is damaged or missing: restore it from a copy, or run the steps that made it again.\n")
  invisible(x)
}

#' Copy a datastore
#'
#' Copies all runs, with everything they have, to another folder or to S3, or from there. Stored values are verified on the
#' way. A copy that was interrupted is continued by the same call, and what is there already is not copied again, so it also
#' brings an earlier copy up to date. Runs that are going on are left out until the next time.
#'
#' @param from,to A folder, or an address such as `"s3://bucket/prefix"`.
#' @return Invisibly, a list: how many `runs` and `blobs` were copied, `bytes`, the runs that were `skipped`, and `problems`,
#'   which are also warnings.
#' @export
#' @examples
#' \dontrun{
#' store_copy("project/.metaflow", "s3://team/metaflow")
#' }
store_copy <- function(from, to) {
  for (place in list(from, to)) {
    if (!is_string(place) || !nzchar(place)) {
      mf_abort(sprintf("%s is not a place of a datastore.", shown_value(place)), "metaflow_usage_error", "Give a folder, or an address such as \"s3://bucket/prefix\".")
    }
  }
  found <- core_call("upkeep.copy", settings = settings_request(), source = from, target = to)
  cat(sprintf("Copied %s and %s, %s, from %s to %s.\n", count_of(found$runs, "run"), count_of(found$blobs, "blob"),
    format_bytes(found$size_bytes), found$source, found$target))
  skipped <- text_vector(found$skipped)
  if (length(skipped)) cat("Going on, and left out this time: ", shown_names(skipped), ".\n", sep = "")
  problems <- text_vector(found$problems)
  for (problem in problems) warning(problem, call. = FALSE)
  invisible(list(runs = found$runs, blobs = found$blobs, bytes = found$size_bytes, skipped = skipped, problems = problems))
}
