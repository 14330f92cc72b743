#' Browse everything that was ever run
#'
#' `mf_client()` (or, as in earlier versions of the package, `mf_client$new()`) opens the datastore. From there a
#' flow has runs, a run has steps, a step has tasks, and a task has artifacts. Each is also reached
#' directly by its pathspec: `run_client$new("HelloFlow/12")`.
#'
#' @format NULL
#' @section What a client has:
#'
#' * `mf_client()`: `flows`, `namespace`, `metadata`, `flow(name)`, `run(pathspec)`, `step(pathspec)`, `task(pathspec)`, and
#'   `runs(flow, where, limit)`, which is [mf_runs()]
#' * [flow_client]: `runs`, `latest_run`, `latest_successful_run`, `run()`, `runs_with_tags()`, ...
#' * [run_client]: `status`, `steps`, `data`, `artifact()`, `parameters`, `tags`, `add_tag()`, `code`, `summary()`, ...
#' * [step_client]: `tasks`, `task()`, `a_task`, `environment`, ...
#' * [task_client]: `data`, `artifact()`, `stdout`, `stderr`, `exception`, `attempts`, `parent_tasks`, ...
#'
#' Members complete with TAB, a mistyped one is an error that suggests the right one. Clients hold no data:
#' each member asks the datastore when it is used, so the status of a run that is still going is that
#' of now. A client goes on looking at the datastore and the namespace of the moment when it was made.
#'
#' Clients work everywhere, inside a step of a running flow too; there they see the datastore and
#' the namespace of that run.
#' @return A client of the datastore.
#' @seealso [mf_runs()] for a data frame of runs, [set_namespace()], [set_metadata()]
#' @export
#' @examples
#' \dontrun{
#' mf <- mf_client()
#' run <- mf$flow("TuneGbmFlow")$latest_successful_run
#' run$data$best_model
#' }
mf_client <- structure(
  function() datastore_client$new(new_place("datastore", "", current_view())),
  class = c("metaflow_client_constructor", "function")
)

#' @export
`$.metaflow_client_constructor` <- function(x, name) {
  if (name == "new") return(unclass(x))
  mf_abort(sprintf("mf_client has no '%s'.", name), "metaflow_attribute_error", sprintf("Write mf_client()$%s.", name))
}

#' @rawNamespace S3method(.DollarNames, metaflow_client_constructor)
.DollarNames.metaflow_client_constructor <- function(x, pattern = "") grep(pattern, "new", value = TRUE)

#' @export
print.metaflow_client_constructor <- function(x, ...) {
  cat(cli::col_grey("<metaflow>"), " mf_client() opens the datastore; see ?mf_client\n", sep = "")
  invisible(x)
}

datastore_client <- R6::R6Class("metaflow_datastore_client",
  inherit = metaflow_client,
  cloneable = FALSE,
  public = list(
    initialize = function(place) private$place <- place,
    flow = function(name) flow_client$new(self, name),
    run = function(pathspec, id = NULL) run_client$new(find_place("run", pathspec, id, private$place$view)),
    step = function(pathspec, id = NULL) step_client$new(find_place("step", pathspec, id, private$place$view)),
    task = function(pathspec, id = NULL) task_client$new(find_place("task", pathspec, id, private$place$view)),
    runs = function(flow = NULL, where = NULL, limit = NULL) runs_table(private$place$view, flow, where, limit)
  ),
  active = list(
    flows = function() datastore_flows(private$place),
    namespace = function() private$place$view$namespace[[1]],
    metadata = function() describe_metadata(private$place$view)
  )
)

datastore_flows <- function(place) clients_at(place, "flow", vapply(browse(place, "flows"), function(row) row$flow, ""))

#' @export
print.metaflow_datastore_client <- function(x, ...) {
  place <- client_place(x)
  flows <- browse(place, "flows")
  print_facts(headline("client", describe_metadata(place$view)), list(
    namespace = place$view$namespace[[1]] %||% "all",
    flows = if (length(flows)) shown_names(vapply(flows, function(row) sprintf("%s (%s)", row$flow, count_of(row$runs, "run")), ""))
    else "none"
  ))
  invisible(x)
}

#' List the flows
#'
#' @return A named list of [flow_client]s: all flows that have a run in the current namespace.
#' @export
#' @examples
#' \dontrun{
#' list_flows()
#' names(list_flows())
#' }
list_flows <- function() datastore_flows(new_place("datastore", "", current_view()))

#' Clients by ids
#'
#' The same as `flow_client$new("Flow")`, `run_client$new("Flow", 12)` and so on.
#'
#' @param flow_id Name of a flow, or its client. The other ids may be left out when the first is a whole pathspec
#'   such as `"Flow/12"`.
#' @param run_id Id of a run, or `"latest_run"`, or `"latest_successful_run"`.
#' @param step_id Name of a step.
#' @param task_id Id of a task.
#' @return A [flow_client], [run_client], [step_client] or [task_client].
#' @export
#' @examples
#' \dontrun{
#' new_run("HelloFlow", "latest_run")
#' new_task("HelloFlow", 12, "start", 1)
#' new_task("HelloFlow/12/start/1")
#' }
new_flow <- function(flow_id) flow_client$new(flow_id)

#' @rdname new_flow
#' @export
new_run <- function(flow_id, run_id = NULL) run_client$new(flow_id, run_id)

#' @rdname new_flow
#' @export
new_step <- function(flow_id, run_id = NULL, step_id = NULL) step_client$new(joined_ids("step", flow_id, run_id), step_id)

#' @rdname new_flow
#' @export
new_task <- function(flow_id, run_id = NULL, step_id = NULL, task_id = NULL) {
  task_client$new(joined_ids("task", flow_id, run_id, step_id), task_id)
}

# Ids in front of the last one; a client in the first place keeps its view by staying one.
joined_ids <- function(level, first, ...) {
  rest <- Filter(Negate(is.null), list(...))
  if (!length(rest)) return(first)
  if (inherits(first, "metaflow_client")) {
    for (id in rest) first <- switch(client_place(first)$level, flow = run_client, run = step_client, step = task_client)$new(first, id)
    return(first)
  }
  paste(vapply(c(list(first), rest), pathspec_text, "", level = level), collapse = "/")
}
