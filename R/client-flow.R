#' A flow and its runs
#'
#' `flow_client$new("HelloFlow")`, or `mf_client()$flow("HelloFlow")`.
#'
#' @section Facts:
#'
#' * `runs`: a named list of [run_client]s: all runs in the namespace, newest first
#' * `latest_run`: the newest run in the namespace; `NULL` when there is none
#' * `latest_successful_run`: the newest run that completed; `NULL` when there is none
#' * `created_at`: when its first run began
#' * `pathspec`, `id`: what names it, and the last part of that
#'
#' @section Functions:
#'
#' * `run(id)`: one of its runs, a [run_client]; `id` is a run id, `"latest_run"` or `"latest_successful_run"`
#' * `runs_with_tags(...)`: its runs that have all of these tags, those that were added or those of the system as
#'   `"user:alice"`; a named list of [run_client]s, newest first
#' * `summary(where, limit)`: its runs as a data frame, see [mf_runs()]
#' * `is_in_namespace()`: is it seen through the namespace of now, see [set_namespace()]?
#' @seealso [mf_client()]
#' @name flow_client
#' @export flow_client
#' @examples
#' \dontrun{
#' flow <- flow_client$new("HelloFlow")
#' flow$latest_run
#' flow$run(12)$data$greeting
#' flow$runs_with_tags("good", "user:alice")
#' }
NULL

flow_client <- R6::R6Class("metaflow_flow_client",
  inherit = metaflow_client,
  cloneable = FALSE,
  public = list(
    initialize = function(pathspec, id = NULL) private$place <- find_place("flow", pathspec, id),
    run = function(id) run_client$new(self, id),
    runs_with_tags = function(...) flow_runs(private$place, as.character(unlist(list(...)))),
    summary = function(...) runs_table(private$place$view, private$place$pathspec, ...)
  ),
  active = list(
    runs = function() flow_runs(private$place),
    latest_run = function() flow_latest(private$place, FALSE),
    latest_successful_run = function() flow_latest(private$place, TRUE),
    created_at = function() flow_created_at(private$place)
  )
)

flow_runs <- function(place, tags = character()) {
  ids <- unlist(browse(place, "run_ids", flow = place$pathspec, tags = I(tags)))
  clients_at(place, "run", paste(rep(place$pathspec, length(ids)), ids, sep = "/", recycle0 = TRUE))
}

flow_latest <- function(place, successful) {
  row <- browse(place, "latest_run", flow = place$pathspec, successful = successful)
  if (is.null(row)) NULL else as_client(child_place(place, "run", row$pathspec))
}

flow_created_at <- function(place) {
  created <- browse(place, "runs", flow = place$pathspec)$created_at
  if (length(created)) min(time_column(created)) else as_time(NULL)
}

flow_row <- function(place) {
  row <- browse(place, "flow", flow = place$pathspec)
  list(runs = row$runs, "newest" = row$newest, status = row$status, started = shown_time(row$created_at))
}

#' @export
summary.metaflow_flow_client <- function(object, ...) object$summary(...)

#' @export
print.metaflow_flow_client <- function(x, ...) {
  place <- client_place(x)
  columns <- browse(place, "runs", flow = place$pathspec)
  status <- text_column(columns$status)
  count <- table(factor(status, unique(status)))
  describe <- function(i) if (is.na(i)) "none" else {
    sprintf("%s, %s, %s", columns$run[[i]], status[[i]], shown_time(columns$created_at[[i]]))
  }
  print_facts(headline("flow", place$pathspec), list(
    runs = if (length(status)) paste(count, names(count), collapse = ", ") else "none in this namespace",
    latest = if (length(status)) describe(1L),
    successful = if (length(status) && status[[1]] != "completed") describe(match("completed", status))
  ))
  invisible(x)
}
