#' Runs as a data frame
#'
#' One row for each run that is seen through the namespace, see [set_namespace()], newest first.
#'
#' @param flow Name or client of a flow; `NULL` for the runs of all flows.
#' @param where A list of conditions, all of which a run must meet:
#'
#' * `status`: one or more of `"running"`, `"completed"`, `"failed"`, `"interrupted"`, `"lost"`
#' * `tags`: tags that it must all have, those of the system such as `"user:alice"` included
#' * `user`: who started it
#' * `after`, `before`: when it began: a time, a date (its first moment) or a string such as `"2026-01-31 12:00"`
#' * `origin_run_id`: the run that it was resumed from
#' * `namespace`: another namespace than the current one, `NULL` for all
#' @param limit At most so many, the newest.
#' @return A data frame: `flow`, `run_id`, `status`, `successful`, `created_at`, `finished_at`, `seconds` (so
#'   far, for a run that is running), `user`, `tags` (a list: those that were given to the run; tags of the system
#'   are left out), `origin_run_id`, `pathspec`.
#' @export
#' @examples
#' \dontrun{
#' mf_runs("TuneGbmFlow")
#' mf_runs(where = list(status = "failed", after = Sys.Date() - 7))
#' mf_runs("TuneGbmFlow", where = list(tags = c("good", "user:alice")), limit = 10)
#' }
mf_runs <- function(flow = NULL, where = NULL, limit = NULL) {
  view <- if (inherits(flow, "metaflow_client")) client_place(flow)$view else current_view()
  runs_table(view, flow, where, limit)
}

runs_table <- function(view, flow = NULL, where = NULL, limit = NULL) {
  columns <- core_call("browse.runs",
    view = view,
    flow = if (!is.null(flow)) pathspec_text("flow", flow),
    where = run_conditions(where),
    limit = run_limit(limit)
  )
  flows <- text_column(columns$flow)
  ids <- text_column(columns$run)
  status <- text_column(columns$status)
  table <- new_table(
    flow = flows,
    run_id = ids,
    status = status,
    successful = flag_column(columns$successful),
    created_at = time_column(columns$created_at),
    finished_at = time_column(columns$finished_at),
    seconds = seconds_column(columns$created_at, columns$finished_at, status == "running"),
    user = text_column(columns$user),
    origin_run_id = text_column(columns$origin_run),
    pathspec = paste(flows, ids, sep = "/", recycle0 = TRUE)
  )
  table$tags <- lapply(columns$tags, text_vector)
  table[c("flow", "run_id", "status", "successful", "created_at", "finished_at", "seconds", "user", "tags", "origin_run_id", "pathspec")]
}

# The user's words, and those of the core (python/metaflow_core/contracts/index.py).
run_conditions <- function(where) {
  if (!is.null(where) && !(is.list(where) && (!length(where) || (!is.null(names(where)) && all(nzchar(names(where))))))) {
    mf_abort("'where' must be a named list.", "metaflow_usage_error", "Write where = list(status = \"failed\").")
  }
  known <- c("status", "tags", "user", "after", "before", "origin_run_id", "namespace")
  unknown <- setdiff(names(where), known)
  if (length(unknown)) {
    mf_abort(sprintf("Runs cannot be chosen by '%s'.", unknown[[1]]), "metaflow_usage_error", missing_hint(unknown[[1]], known))
  }
  conditions <- list()
  if (length(where$status)) conditions$status <- I(text_vector(where$status))
  if (length(where$tags)) conditions$tags_all <- I(text_vector(where$tags))
  if (length(where$user)) conditions$user <- as.character(where$user)
  if (length(where$origin_run_id)) conditions$origin_run <- last_part(pathspec_text("run", where$origin_run_id))
  if (length(where$after)) conditions$created_after <- moment_seconds(where$after, "after")
  if (length(where$before)) conditions$created_before <- moment_seconds(where$before, "before")
  if ("namespace" %in% names(where)) conditions["namespace"] <- list(where$namespace)
  as_object(conditions)
}

# Seconds since 1970. A date is midnight of the local time zone, as a person means it.
moment_seconds <- function(x, name) {
  seconds <- if (length(x) != 1L) NA else if (inherits(x, "POSIXt")) as.numeric(as.POSIXct(x)) else if (inherits(x, "Date") || is.character(x)) {
    tryCatch(as.numeric(as.POSIXct(format(x))), error = function(e) NA)
  } else NA
  if (is.na(seconds)) {
    mf_abort(sprintf("'%s' must be a time or a date, not %s.", name, shown_value(x)), "metaflow_usage_error",
      "Use Sys.time() - 3600, as.Date(\"2026-01-31\") or \"2026-01-31 12:00\".")
  }
  seconds
}

run_limit <- function(limit) {
  if (is.null(limit)) return(NULL)
  if (is.numeric(limit) && length(limit) == 1L && !is.na(limit) && limit >= 0 && limit == floor(limit)) return(min(limit, 2^31))
  mf_abort(sprintf("'limit' must be a whole number, not %s.", shown_value(limit)), "metaflow_usage_error")
}
