#' Who did what when
#'
#' Starts and ends of runs, changes of tags and deletions, as they were noted down in the datastore. These notes are never
#' changed, not even by [mf_gc()].
#'
#' @param flow Name or client of a flow; `NULL` for all.
#' @param run Id of a run of that flow.
#' @param since,until A time, a date (its first moment) or a string such as `"2026-01-31 12:00"`.
#' @param user Who did it.
#' @param action What was done, such as `"run started"`, `"run resumed"`, `"run completed"`, `"run failed"`,
#'   `"run interrupted"`, `"tags changed"`, `"run deleted"`, `"blobs deleted"`, `"datastore copied"`.
#' @param limit At most so many, the newest.
#' @return A data frame, newest first: `time`, `user`, `action`, `flow`, `run_id`, `host` and `details`, a text with what
#'   else is known. The audit is that of all users, whatever the namespace.
#' @export
#' @examples
#' \dontrun{
#' mf_audit("TuneGbmFlow", since = Sys.Date() - 7)
#' mf_audit(action = "run deleted")
#' }
mf_audit <- function(flow = NULL, run = NULL, since = NULL, until = NULL, user = NULL, action = NULL, limit = NULL) {
  view <- if (inherits(flow, "metaflow_client")) client_place(flow)$view else current_view()
  columns <- core_call("upkeep.audit",
    view = view,
    flow = if (!is.null(flow)) pathspec_text("flow", flow), run = if (!is.null(run)) last_part(pathspec_text("run", run)),
    since = if (!is.null(since)) moment_seconds(since, "since"), until = if (!is.null(until)) moment_seconds(until, "until"),
    user = user, action = action, limit = run_limit(limit)
  )
  new_table(
    time = time_column(columns$time), user = text_column(columns$user), action = text_column(columns$action),
    flow = text_column(columns$flow), run_id = text_column(columns$run), host = text_column(columns$host),
    details = vapply(columns$details, audit_details, "")
  )
}

# "added: good, weekly; removed: bad"
audit_details <- function(facts) {
  facts <- Filter(length, facts)
  said <- vapply(names(facts), function(name) {
    value <- facts[[name]]
    shown <- if (name == "seconds") format_seconds(value) else if (name == "size_bytes") format_bytes(value)
    else if (name == "created_at") shown_time(value) else shown_names(text_vector(value))
    sprintf("%s: %s", switch(name, size_bytes = "size", created_at = "started", name), shown)
  }, "")
  paste(said, collapse = "; ")
}
