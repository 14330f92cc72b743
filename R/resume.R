#' Resume a run
#'
#' Starts a new run of the flow that takes over, without running them again, all tasks which the
#' earlier run finished. Splits of a foreach are taken over one by one. The new run is complete in
#' itself and names its origin.
#'
#' @param flow A flow, from [metaflow()].
#' @param step Name of a step that is run again even if it was finished, with all that follow it.
#' @param origin_run_id The run to resume; by default the newest run of the flow in the namespace, whoever started it. See
#'   [set_namespace()].
#' @param ... Options of [run()]. Parameters are those of the earlier run and cannot be given.
#' @return As [run()].
#' @export
#' @examples
#' \dontrun{
#' resume(flow)
#' resume(flow, step = "fit", origin_run_id = 12)
#' }
resume <- function(flow, step = NULL, origin_run_id = NULL, ...) {
  check_flow_value(flow, "resume")
  run(flow, resume = step %||% TRUE, origin_run_id = origin_run_id, ...)
}

resume_request <- function(flow, options) {
  wanted <- options$resume
  if (is.null(wanted) || isFALSE(wanted)) return(NULL)
  named <- options$namespace
  list(
    step = if (is.character(wanted)) wanted else NULL,
    task = options$retry_task,
    run = if (is.null(options$origin_run_id)) NULL else as.character(options$origin_run_id),
    namespace = if (is.null(named)) chosen_namespace() else list(if (nzchar(named)) named)
  )
}
