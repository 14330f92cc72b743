#' Run one task again
#'
#' Runs a single task of an earlier run again, with the code of now and with what it had then: all that it came from is taken over,
#' and nothing else of the flow runs. That is a run of its own, a scratch run, which has the system tag `scratch` and is not
#' what [resume()] takes for the newest run. When the task works, `resume` carries on with the earlier run.
#'
#' @param flow The flow, from [metaflow()], as it is now.
#' @param pathspec The task: `"Flow/12/fit/7"`, `"12/fit/7"` or its client.
#' @param ... Options of [run()]. Parameters are those of the earlier run and cannot be given.
#' @return As [run()]; `result$run` is the scratch run.
#' @export
#' @seealso [mf_debug()] opens a failed task in the session
#' @examples
#' \dontrun{
#' mf_retry_task(flow, "12/fit/7")
#' resume(flow)
#' }
mf_retry_task <- function(flow, pathspec = NULL, ...) {
  check_flow_value(flow, "mf_retry_task")
  do.call(run, c(list(flow), retry_task_options(flow, pathspec), list(...)))
}

retry_task_options <- function(flow, pathspec) {
  if (inherits(pathspec, "metaflow_client")) pathspec <- client_place(pathspec)$pathspec
  if (!is_string(pathspec)) {
    mf_abort("mf_retry_task() needs the pathspec of a task.", "metaflow_usage_error", "Write \"12/fit/7\": the run, the step and the task.")
  }
  parts <- strsplit(pathspec, "/", fixed = TRUE)[[1]]
  if (length(parts) == 4L && parts[[1]] == flow$name) parts <- parts[-1]
  if (length(parts) != 3L || !all(nzchar(parts))) {
    mf_abort(sprintf("'%s' is not a task of the flow '%s'.", pathspec, flow$name), "metaflow_usage_error",
      "Write RUN/STEP/TASK, as 12/fit/7. Rscript flow.R list shows the runs, dump the tasks of one.")
  }
  list(resume = TRUE, origin_run_id = parts[[1]], retry_task = paste(parts[2:3], collapse = "/"))
}

command_retry_task <- function() {
  cli_command("run one task of an earlier run again, with the code of now", words = "RUN/STEP/TASK", options = run_command_options(),
    perform = function(flow, parsed, given) {
      if (length(parsed$words) != 1L) usage_error("retry-task needs one task.", "Rscript flow.R retry-task RUN/STEP/TASK")
      perform_typed_run(flow, parsed, given[!names(given) %in% names(flow$parameters)], retry_task_options(flow, parsed$words))
    })
}
