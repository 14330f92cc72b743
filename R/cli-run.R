run_command_options <- function() {
  list(
    cli_option("max_workers", "tasks that run side by side", value = "N"),
    cli_option("max_num_splits", "most tasks of one foreach", value = "N"),
    cli_option("with", "decorator for every step, as retry:times=2", "many", "DECORATOR"),
    cli_option("tag", "tag of the run", "many"),
    config_options()[[1]],
    config_options()[[2]],
    cli_option("seed", "makes random numbers reproducible", value = "N"),
    cli_option("cache", "take over finished tasks that did the same, in every step", "flag"),
    cli_option("no_cache", "run also the tasks that could be taken over", "flag"),
    cli_option("isolation", "fork or fresh: how a task gets a clean process", value = "MODE"),
    cli_option("detach", "hand the run to Slurm: its scheduler becomes a job, too", "flag"),
    cli_option("detach_with", "the same, with options for the job, as slurm:time=600", value = "DECORATOR"),
    cli_option("run_id_file", "file to write the run id to", value = "FILE"),
    cli_option("datastore", "name of the storage"),
    cli_option("metadata", "name of the metadata provider"),
    cli_option("package_suffixes", "files kept with the run, as .R,.csv", value = "LIST")
  )
}

command_run <- function() {
  options <- c(run_command_options(), list(cli_option("meson", "'create' puts the flow into the scheduler of production", value = "ACTION")))
  cli_command("run the flow (the default)", options = options, parameters = TRUE,
    perform = function(flow, parsed, given) perform_typed_run(flow, parsed, given, list()))
}

command_resume <- function() {
  options <- c(list(cli_option("origin_run_id", "the run to resume (default: the newest)", value = "ID")), run_command_options())
  cli_command("take over what an earlier run finished, and run the rest", words = "[STEP]", options = options,
    perform = function(flow, parsed, given) {
      if (length(parsed$words) > 1L) usage_error("resume takes one step.", "Rscript flow.R resume [STEP]")
      step <- if (length(parsed$words)) parsed$words[[1]] else TRUE
      perform_typed_run(flow, parsed, given[!names(given) %in% names(flow$parameters)], list(resume = step))
    })
}

# What was typed wins over what the script gave to run().
perform_typed_run <- function(flow, parsed, given, extra) {
  typed <- c(typed_numbers(parsed$options), parsed$parameters, extra)
  if (isTRUE(typed$no_cache)) typed$cache <- FALSE
  typed$help <- typed$no_cache <- NULL
  typed$with <- typed_decorators(typed$with)
  if (!is.null(typed$detach_with)) typed$detach <- typed_decorators(typed$detach_with)
  typed$detach_with <- NULL
  the$strings_only <- ends_with_run(flow$script) && !any(vapply(flow$parameters, is_computed_here, FALSE))
  # A parameter may share its name with an option of run(); only parameters that were typed are meant.
  result <- perform_run(flow, utils::modifyList(given, typed, keep.null = TRUE))
  if (inherits(result, "metaflow_run_handle")) 0L else result
}

# A decorator that is typed wrong is wrong usage, not a problem of the flow.
typed_decorators <- function(with) {
  tryCatch(decorators_from_option(with), metaflow_invalid_flow_error = function(e) usage_error(conditionMessage(e)))
  with
}

typed_numbers <- function(options) {
  for (name in intersect(names(options), c("max_workers", "max_num_splits", "seed", "limit"))) {
    number <- suppressWarnings(as.numeric(options[[name]]))
    least <- if (name == "seed") -.Machine$integer.max else 1
    if (!is.finite(number) || number != trunc(number) || number < least) {
      usage_error(sprintf("Option '--%s' must be a whole number%s, not '%s'.", gsub("_", "-", name),
        if (name == "seed") "" else " from 1", options[[name]]))
    }
    options[[name]] <- number
  }
  options
}
