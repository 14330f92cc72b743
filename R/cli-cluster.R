# `slurm list|kill`, `kubernetes list|kill` and `batch list|kill`: the jobs of this flow on a cluster, whoever started them.

command_cluster <- function(backend, title) {
  cli_command(sprintf("list or end the jobs of this flow on %s", title), words = "list|kill", options = list(
    cli_option("run_id", "only those of this run", value = "ID"), cli_option("all", "end those of all runs", "flag"), json_option()
  ), perform = function(flow, parsed, given) {
    actions <- c("list", "kill")
    action <- if (length(parsed$words)) parsed$words[[1]] else usage_error(sprintf("%s needs an action.", backend), "Actions: list kill.")
    if (!action %in% actions) {
      usage_error(sprintf("Unknown action '%s' of %s.", action, backend), did_you_mean(action, actions) %||% "Actions: list kill.")
    }
    if (length(parsed$words) > 1L) usage_error(sprintf("Unknown word '%s' after '%s'.", parsed$words[[2]], action), "Give the run by --run-id.")
    if (action == "list") list_jobs(flow, backend, parsed$options) else kill_jobs(flow, backend, parsed$options)
    0L
  })
}

list_jobs <- function(flow, backend, options) {
  jobs <- core_call("clusters.jobs", settings = settings_request(), backend = backend, flow = flow$name, run = options$run_id)
  if (isTRUE(options$json)) return(print_json(jobs))
  if (!length(jobs)) return(cat(flow$name, " has no jobs there.\n", sep = ""))
  put_lines(job_lines(jobs))
}

job_lines <- function(jobs) {
  text <- function(name) vapply(jobs, function(job) as.character(job[[name]] %||% ""), "")
  created <- as.POSIXct(vapply(jobs, function(job) as.numeric(job$created), 0), origin = "1970-01-01")
  columns <- list(
    run = text("run"), step = text("step"), tasks = text("tasks"), status = text("status"), created = format(created, "%Y-%m-%d %H:%M:%S"),
    user = text("user"), job = text("job")
  )
  trimws(do.call(paste, c(lapply(names(columns), function(n) format(c(n, columns[[n]]))), sep = "  ")), "right")
}

# A kill of everything must be asked for by name: others may have runs of the same flow.
kill_jobs <- function(flow, backend, options) {
  if (is.null(options$run_id) == !isTRUE(options$all)) {
    usage_error(sprintf("%s kill needs a run, or --all.", backend), "Write --run-id ID for one run, --all for all runs of this flow.")
  }
  killed <- core_call("clusters.kill", settings = settings_request(), backend = backend, flow = flow$name, run = options$run_id)
  if (isTRUE(options$json)) return(print_json(list(killed = I(as.character(unlist(killed))))))
  cat(length(killed), if (length(killed) == 1L) " job" else " jobs", " ended.\n", sep = "")
  if (length(killed)) put_lines(paste0("  ", unlist(killed)))
}
