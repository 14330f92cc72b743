#' What a run would do
#'
#' Tells, without running anything, which tasks of [memoised steps][caching] would be taken over from earlier runs, and why the
#' others would not.
#'
#' @param flow A flow, from [metaflow()].
#' @param ... Values of its parameters, and the options of [run()] that matter: `cache = TRUE`, `with`, `seed`, `tag`, `namespace`,
#'   `datastore_root`.
#' @return A data frame with one row for each step: `step`; `status`, which is `"current"` (all of its tasks would be taken
#'   over), `"outdated"` (some would run) or `"unknown"` (it comes after a step that would run, and depends on what that
#'   leaves); `tasks`, how many are known to come; `current`, how many of them would be taken over; `why`, a sentence
#'   about the first that would run. It prints as a table.
#' @export
#' @seealso [mf_why()], which tells after a run
#' @examples
#' \dontrun{
#' mf_outdated(flow)
#' mf_outdated(flow, alpha = 0.2, cache = TRUE)
#' }
mf_outdated <- function(flow, ...) {
  check_flow_value(flow, "mf_outdated")
  split <- split_arguments(flow, list(...))
  options <- check_run_options(split$options)
  staging <- tempfile("metaflow-")
  dir.create(staging)
  on.exit(unlink(staging, recursive = TRUE))
  captured <- capture_code(flow)
  flow <- with_config_values(flow, options)
  values <- run_values(flow, split$parameters, list())
  rows <- core_call("runs.outdated",
    settings = settings_request(options[c("datastore", "datastore_root", "metadata")]),
    request = list(
      spec = flow_spec(flow), with = decorators_from_option(options$with), cache = options$cache, staging = staging,
      values = as_object(stage_parameters(values, staging)), fingerprint = if (wants_memory(flow, options)) fingerprint_request(captured, staging),
      seed = if (is.null(options$seed)) NULL else as.numeric(options$seed), tags = I(as.character(unlist(options$tag))),
      namespace = options$namespace, script = flow$script, cwd = getwd()
    )
  )
  tasks <- whole_column(field_of(rows, "tasks"))
  current <- whole_column(field_of(rows, "current"))
  table <- new_table(
    step = text_column(field_of(rows, "step")),
    status = ifelse(is.na(tasks), "unknown", ifelse(tasks == current, "current", "outdated")),
    tasks = tasks, current = current, why = vapply(rows, outdated_reason, "")
  )
  class(table) <- c("metaflow_outdated", class(table))
  table
}

outdated_reason <- function(row) {
  if (is.null(row$tasks)) return("comes after a step that would run")
  if (row$tasks == row$current) return("")
  if (!row$memoised) return("not memoised")
  if (isTRUE(row$why$first)) return("no earlier task is remembered")
  differs <- differences_of(row$why)
  if (!length(differs)) return("--no-cache")
  paste(vapply(names(differs), function(kind) {
    if (kind == "other") shown_names(differs$other) else sprintf("%s: %s", kind, shown_names(differs[[kind]]))
  }, ""), collapse = "; ")
}

#' @export
print.metaflow_outdated <- function(x, ...) {
  count <- ifelse(is.na(x$tasks), "", ifelse(x$status == "outdated" & x$current > 0L, sprintf("%d of %d", x$current, x$tasks), x$tasks))
  print_table(list(step = x$step, status = x$status, tasks = count, why = x$why))
  invisible(x)
}
