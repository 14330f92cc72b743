#' Run a flow
#'
#' Checks the flow, starts a new run and waits for its end, printing what happens. In a script,
#' `run()` obeys the command line: `Rscript flow.R`, `Rscript flow.R run --alpha 0.1`,
#' `Rscript flow.R resume`, `Rscript flow.R help`, ...
#'
#' @param flow A flow, from [metaflow()].
#' @param ... Values of the flow's parameters, by name, and options of the run:
#'
#' * `max_workers`: how many tasks run side by side (default: the number of cores)
#' * `max_num_splits`: the most tasks that one foreach may start
#' * `with`: decorators that every step gets, as `"retry:times=2"` or a list of decorators; named lists and several
#'   values are written as JSON, `'kubernetes:labels={"team":"ml"},secrets=["a","b"]'`
#' * `tag`: tags of the run
#' * `namespace`, `datastore`, `datastore_root`, `metadata`: see [settings]
#' * `package_suffixes`: which files of the flow's folder are kept with the run
#' * `config`, `config_value`: files or values of the flow's configurations, as named lists, see [config()]
#' * `seed`: makes the random numbers of all tasks reproducible, see below
#' * `cache`: `TRUE` memoises every step, as if it had the decorator [cache][caching]; `FALSE` runs also those tasks that could be
#'   taken over
#' * `isolation`: `"fork"` (default) or `"fresh"`, how each task gets a clean R process
#' * `run_id_file`: a file to write the run id to
#' * `meson`: `"create"` puts the flow into the scheduler of production; where none is set up, it is an ordinary run and says so
#' * `resume`: `TRUE` or the name of a step; with `origin_run_id`, see [resume()]
#' * `retry_task`: with `resume`, a single task to run again, as `"fit/7"`; [mf_retry_task()] gives it
#' * `detach`: `TRUE` hands the run to Slurm, scheduler and all: see [detached runs][detached]. Or a decorator that says more
#'   about the scheduler's job, as `slurm(partition = "long", time = "7-00:00:00")`
#' * `wait`: `FALSE` runs in the background and returns a [handle][run_handle]
#' * `other_args`: further words of the command line, as one string
#'
#' @section Random numbers:
#' Every task has a seed, `current("seed")`, which follows from the run's seed and the task's place in the flow: a step
#' that is tried again or resumed gets the same numbers, and the tasks of a foreach get different ones. Without
#' `seed` the run draws its own and records it.
#'
#' The kind of generator is that of the session which built the flow ([RNGkind()]), so `set.seed(42)` gives in a step
#' what it gives in the console. Children of [parallel::mclapply()] and [parallel::mcparallel()] get L'Ecuyer
#' streams that follow from the state of the task's generator, so they are reproducible, too, whatever its kind;
#' a second `mclapply()` from the same state goes on with the streams that follow. With a cluster of
#' [parallel::makeCluster()] call `clusterSetRNGStream(cl)`, which takes its streams from the task's generator.
#'
#' @section A quicker start:
#' A run begins when R has loaded 'reticulate' and its Matrix, about 0.65 s, a third of it spent collecting garbage in
#' a heap that is still small. The line `R_NSIZE=2M` in the file `~/.Renviron` gives R more room from its start on: a small flow is
#' then done in 0.84 instead of 1.11 s. Tasks keep R's own setting.
#'
#' @return Invisibly the exit status (0: success) as an integer that also carries the run:
#'   `res <- run(flow); res == 0; res$run`. A failed run is an error of class `metaflow_run_error` in
#'   a session, and ends a script with status 1.
#' @export
#' @examples
#' \dontrun{
#' metaflow("HelloFlow") %>%
#'   step(step = "start", next_step = "end", r_function = function(self) self$x <- 1) %>%
#'   step(step = "end") %>%
#'   run()
#' }
run <- function(flow, ...) {
  check_flow_value(flow, "run")
  given <- list(...)
  if (in_script(flow)) return(run_command_line(flow, given))
  check_run_options(given["wait"])
  if (isFALSE(given$wait)) return(start_background_run(flow, given))
  result <- perform_run(flow, given)
  if (inherits(result, "metaflow_run_handle")) return(result)
  if (!isTRUE(result == 0L)) raise_run_error(result)
  invisible(result)
}

# A script is driven by its command line. Not so a flow that a test or a function of a session runs.
in_script <- function(flow) {
  !interactive() && !is.null(flow$script) && !identical(Sys.getenv("TESTTHAT"), "true") &&
    isTRUE(getOption("metaflow.command_line", TRUE))
}

run_options <- c(
  "max_workers", "max_num_splits", "with", "tag", "namespace", "datastore", "metadata", "datastore_root",
  "package_suffixes", "config", "config_value", "seed", "isolation", "run_id_file", "meson", "resume", "origin_run_id", "retry_task", "cache",
  "wait", "detach", "other_args"
)

# Words of the command line, as one string: other_args = "--max-workers 2 --tag nightly".
with_other_args <- function(flow, given) {
  if (is.null(given$other_args)) return(given)
  words <- unlist(strsplit(trimws(as.character(given$other_args)), "[[:space:]]+"))
  if (!length(words)) return(given[names(given) != "other_args"])
  parsed <- parse_command(flow, c("run", words))
  utils::modifyList(given[names(given) != "other_args"], c(typed_numbers(parsed$options), parsed$parameters), keep.null = TRUE)
}

# A parameter may have the name of an option: then it is the parameter, as typed by the user.
split_arguments <- function(flow, given) {
  names_given <- names(given)
  if (length(given) && (is.null(names_given) || !all(nzchar(names_given)))) {
    mf_abort("The arguments of run() need names.", "metaflow_usage_error", "Write run(alpha = 0.1).")
  }
  declared <- names(Filter(Negate(is_config), flow$parameters))
  unknown <- setdiff(names_given, c(declared, run_options))
  if (length(unknown)) {
    mf_abort(sprintf("run() has no option or parameter %s.", quoted(unknown)), "metaflow_usage_error",
      did_you_mean(unknown[[1]], c(declared, run_options)) %||%
        paste0("Parameters of this flow: ", if (length(declared)) paste(declared, collapse = ", ") else "none", "."))
  }
  list(parameters = given[names_given %in% declared], options = given[!names_given %in% declared])
}

# `captured`: the code of the flow, when another session captured it. `began(session)` is told when the
# run's id is claimed. `hooks`: see capture_hooks().
perform_run <- function(flow, given, report = NULL, captured = NULL, began = function(session) NULL,
                        hooks = capture_hooks(flow)) {
  force(hooks)
  split <- split_arguments(flow, with_other_args(flow, given))
  options <- check_run_options(split$options)
  flow <- with_config_values(flow, options, origin_configs(flow, options))
  extended <- with_user_decorators(flow, options$with)
  flow <- extended$flow
  options["with"] <- list(extended$with)
  # Captured when it is first asked for: by then the workers are starting beside us.
  delayedAssign("code", captured %||% capture_code(flow))
  if (is_detached(options$detach)) return(begin_detached_run(flow, split$parameters, options, code, hooks))
  session <- begin_run(flow, split$parameters, options, code)
  finish_run(flow, session, report, began, hooks)
}

# Drive a run that has begun to its end.
finish_run <- function(flow, session, report, began, hooks) {
  on.exit(session$close())
  # A second Ctrl-C waits until all that runs here is dead; what comes after that it may cut short.
  status <- suspendInterrupts(tryCatch(
    allowInterrupts({
      began(session)
      report <- report %||% new_reporter(flow, session)
      drive(session, report)
    }),
    interrupt = function(e) {
      core_call("runs.kill_local", pathspec = session$pathspec)
      allowInterrupts(told <- core_call("runs.interrupt", pathspec = session$pathspec))
      if (!is.null(report)) report(told$events)
      # A run that had just ended stays as it is.
      exit_status(told$progress$status %||% "interrupted")
    }
  ))
  run_exit_hooks(hooks, status, session)
  new_result(status, session)
}

# The engine works in slices, so that Ctrl-C is R's own and an IDE stays alive.
drive <- function(session, report, slice_seconds = 0.1) {
  heard <- 0L
  repeat {
    if (!is.null(session$asked)) session$asked()
    told <- core_call("runs.advance", pathspec = session$pathspec, timeout = slice_seconds)
    report(told$events, told$progress)
    if (told$finished) break
    heard <- heard + length(told$events)
    if (heard >= 500L) {
      # R would let what was told of 4,000 tasks lie, 50 MB, before it looked for garbage.
      gc(full = FALSE)
      heard <- 0L
    }
  }
  session$error <- last_error(told$events)
  exit_status(told$progress$status)
}

exit_status <- function(status) switch(status, completed = 0L, interrupted = 130L, 1L)

last_error <- function(events) {
  for (event in rev(events)) if (event$event == "finished") return(event$error)
  NULL
}

# Everything that happens before the first task: workers start while Python loads.
# `start(settings, request, worker)` tells the core; `here`: do tasks of this machine run in this session?
begin_run <- function(flow, parameters, options, captured, start = start_in_core, here = TRUE) {
  values <- run_values(flow, parameters, options)
  mode <- options$isolation %||% isolation_setting()
  check_run_options(list(isolation = mode))
  session <- new.env()
  count <- if (here) workers_to_start(options$max_workers) else 0L
  session$workers <- start_workers(mode, count)
  session$close <- function() for (worker in session$workers) close_worker(worker)
  on.exit(if (is.null(session$pathspec)) session$close())
  staging <- tempfile("metaflow-")
  dir.create(staging)
  on.exit(unlink(staging, recursive = TRUE), add = TRUE)
  request <- run_request(flow, values, options, staging, captured)
  load_bridge()
  started <- start(
    settings = settings_request(options[c("datastore", "datastore_root", "metadata", "max_workers", "max_num_splits", "isolation", "package_suffixes")]),
    request = request,
    worker = list(
      command = I(worker_command(mode)), environment = as.list(worker_environment()), one_task_each = mode == "fresh",
      elsewhere = list(r = worker_elsewhere()), python = find_python(), python_steps = python_worker(flow),
      started = unname(lapply(session$workers, worker_ends))
    )
  )
  if (!is.null(options$run_id_file)) writeLines(started$run, options$run_id_file)
  session$pathspec <- started$pathspec
  session$flow <- started$flow
  session$run <- started$run
  session$root <- started$root
  session$started <- started
  session
}

start_in_core <- function(settings, request, worker) core_call("runs.start", settings = settings, request = request, worker = worker)

# A resumed run has the parameters of its origin.
run_values <- function(flow, parameters, options) {
  if (is.null(options$resume) || isFALSE(options$resume)) {
    return(parameter_values(flow, parameters, list(flow_name = flow$name, user = env_or("METAFLOW_USER", Sys.info()[["user"]]))))
  }
  if (length(parameters)) {
    mf_abort(sprintf("A resumed run has the parameters of its origin; %s cannot be given.", quoted(names(parameters))),
      "metaflow_usage_error", "Start a new run to change parameters.")
  }
  lapply(Filter(function(p) is_config(p) && p$fresh, flow$parameters), function(p) p$value)
}

env_or <- function(name, default) {
  value <- Sys.getenv(name)
  if (nzchar(value)) value else default
}

# What the engine needs to know (python/metaflow_core/engine/start.py).
run_request <- function(flow, values, options, staging, captured) {
  values <- lapply(values, function(x) x)
  write_code(captured, file.path(staging, "code"))
  list(
    spec = flow_spec(flow),
    with = decorators_from_option(options$with),
    staging = staging,
    code = "code",
    values = as_object(stage_parameters(values, staging)),
    reprs = as_object(lapply(values, function(value) if (inherits(value, "metaflow_included")) basename(value$path) else parameter_repr(value))),
    configs = as_object(config_records(flow)),
    resume = resume_request(flow, options),
    tags = I(as.character(unlist(options$tag))),
    notes = I(meson_note(options)),
    seed = if (is.null(options$seed)) NULL else as.numeric(options$seed),
    max_workers = options$max_workers,
    max_num_splits = options$max_num_splits,
    namespace = options$namespace,
    cwd = getwd(),
    script = flow$script,
    argv = I(commandArgs(TRUE)),
    cache = options$cache,
    fingerprint = if (wants_memory(flow, options)) fingerprint_request(captured, staging),
    code_texts = as_object(code_texts(captured)),
    versions = list(R = r_version(), packages = package_versions())
  )
}

# The text of each step's function and of the user's functions that it calls: enough to tell whether
# any of them was changed since.
code_texts <- function(captured) {
  reached <- captured$reached
  texts <- lapply(names(captured$functions), function(step) {
    called <- Filter(is.function, captured$globals[intersect(reached[[step]], names(captured$globals))])
    called <- called[order(names(called))]
    around <- vapply(decorator_functions(captured$decorators[[step]]), source_key, "")
    paste(c(source_key(captured$functions[[step]]), names(called), vapply(called, source_key, ""), around), collapse = "\n")
  })
  stats::setNames(texts, names(captured$functions))
}

package_versions <- function() {
  names <- intersect(c(attached_packages(), "metaflow"), loadedNamespaces())
  as_object(stats::setNames(lapply(names, function(p) unname(getNamespaceVersion(p))), names))
}

# "retry:times=2" or "retry" or decorators.
decorators_from_option <- function(with) {
  if (inherits(with, "metaflow_decorator")) with <- list(with)
  lapply(as.list(with), function(item) decorator_spec(decorator_from_option(item)))
}

decorator_from_option <- function(item) {
  if (inherits(item, "metaflow_decorator")) return(item)
  if (!is_string(item) || !grepl("^[A-Za-z]", item)) {
    mf_abort(sprintf("'with' must name decorators, but got %s.", shown_value(item)), "metaflow_usage_error", "Write --with retry:times=2, or with = retry(times = 2).")
  }
  name <- sub(":.*$", "", item)
  pairs <- if (grepl(":", item, fixed = TRUE)) split_outside_brackets(sub("^[^:]*:", "", item)) else character()
  if (!all(grepl("=", pairs, fixed = TRUE))) {
    mf_abort(sprintf("Decorator '%s' needs its arguments as name=value, but got '%s'.", name, pairs[!grepl("=", pairs, fixed = TRUE)][[1]]),
      "metaflow_usage_error", "Write --with retry:times=2,minutes_between_retries=0.")
  }
  keys <- sub("=.*$", "", pairs)
  values <- Map(option_value, sub("^[^=]*=", "", pairs), sprintf("'%s' of decorator '%s'", keys, name))
  new_decorator(name, stats::setNames(unname(values), keys))
}

# --- what a run returns --------------------------------------------------------------------------

new_result <- function(status, session) {
  structure(status, class = "metaflow_result", pathspec = session$pathspec, error = session$error, root = session$root)
}

#' @export
`$.metaflow_result` <- function(x, name) {
  pathspec <- attr(x, "pathspec")
  switch(name,
    run = client_of_run(pathspec, attr(x, "root")),
    pathspec = pathspec,
    run_id = sub("^.*/", "", pathspec),
    status = as.integer(x),
    error = attr(x, "error"),
    mf_abort(sprintf("The result of a run has no '%s'.", name), "metaflow_usage_error", "It has: run, run_id, pathspec, status, error.")
  )
}

#' @export
print.metaflow_result <- function(x, ...) {
  words <- if (x == 0L) "completed" else if (x == 130L) "interrupted" else "failed"
  cat("<metaflow run> ", attr(x, "pathspec"), ": ", words, "\n", sep = "")
  invisible(x)
}

raise_run_error <- function(result) {
  pathspec <- attr(result, "pathspec")
  if (result == 130L) {
    mf_abort(sprintf("Run %s was interrupted.", pathspec), "metaflow_run_error", "Continue it with resume().", run = pathspec)
  }
  error <- attr(result, "error")
  where <- if (is.null(error$step)) "" else sprintf(" in step '%s' (task %s/%s/%s)", error$step, pathspec, error$step, error$task)
  mf_abort(sprintf("Run %s failed%s.\n%s", pathspec, where, format_failure(error)), "metaflow_run_error",
    "Mend the cause and continue with resume().", data = error, run = pathspec)
}
