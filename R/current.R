#' Facts about the task that is running
#'
#' @param value Name of a fact: `flow_name`, `run_id`, `step_name`, `task_id`, `pathspec`,
#'   `namespace`, `username`, `origin_run_id`, `retry_count`, `tags`, `project_name`, `branch_name`,
#'   `is_production`, `seed`, `tempdir` (a folder of this task's own, deleted with it). Without a
#'   name: all of them.
#' @return The value; a list without `value`. `NULL` for a fact that does not apply, as
#'   `origin_run_id` in a run that was not resumed.
#' @export
#' @examples
#' \dontrun{
#' start <- function(self) message("run ", current("run_id"))
#' }
current <- function(value) {
  if (is.null(the$task)) {
    mf_abort("current() can be used only inside a step.", "metaflow_usage_error",
      "Outside of a run, ask mf_client().")
  }
  facts <- the$task$current
  if (missing(value)) {
    note_volatile("it read current(), which has its pathspec")
    return(facts)
  }
  if (identical(value, "tempdir")) dir.create(facts$tempdir, showWarnings = FALSE, recursive = TRUE)
  if (!is_string(value)) mf_abort("current() takes one name.", "metaflow_usage_error", "Write current(\"run_id\"), or current() for a list of all.")
  if (!value %in% current_fields) {
    mf_abort(sprintf("current() has no field '%s'.", value), "metaflow_usage_error", missing_hint(value, current_fields))
  }
  # The seed is compared anyway, and the folder has nothing in it.
  if (!value %in% c("seed", "tempdir")) note_read(paste0("current:", value))
  facts[[value]]
}

current_fields <- c(
  "flow_name", "run_id", "step_name", "task_id", "pathspec", "namespace", "username", "origin_run_id",
  "retry_count", "tags", "project_name", "branch_name", "is_production", "seed", "tempdir"
)
