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
#' * `with`: decorators that every step gets, as `"retry:times=2"` or a list of decorators
#' * `tag`: tags of the run
#' * `namespace`, `datastore`, `datastore_root`, `metadata`: see [settings]
#' * `package_suffixes`: which files of the flow's folder are kept with the run
#' * `seed`: makes the random numbers of all tasks reproducible
#' * `isolation`: `"fork"` (default) or `"fresh"`, how each task gets a clean R process
#' * `run_id_file`: a file to write the run id to
#' * `resume`: `TRUE` or the name of a step; with `origin_run_id`, see [resume()]
#' * `wait`: `FALSE` runs in the background and returns a [handle][run_handle]
#' * `other_args`: further words of the command line, as one string
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
  "package_suffixes", "seed", "isolation", "run_id_file", "resume", "origin_run_id", "wait", "other_args"
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
  declared <- names(flow$parameters)
  unknown <- setdiff(names_given, c(declared, run_options))
  if (length(unknown)) {
    mf_abort(sprintf("run() has no option or parameter %s.", quoted(unknown)), "metaflow_usage_error",
      did_you_mean(unknown[[1]], c(declared, run_options)) %||%
        paste0("Parameters of this flow: ", if (length(declared)) paste(declared, collapse = ", ") else "none", "."))
  }
  list(parameters = given[names_given %in% declared], options = given[!names_given %in% declared])
}

# `captured`: the code of the flow, when another session captured it. `began(session)` is told when the
# run's id is claimed.
perform_run <- function(flow, given, report = NULL, captured = NULL, began = function(session) NULL) {
  split <- split_arguments(flow, with_other_args(flow, given))
  options <- check_run_options(split$options)
  session <- begin_run(flow, split$parameters, options, captured %||% capture_code(flow))
  on.exit(session$close())
  status <- tryCatch(
    {
      began(session)
      report <- report %||% new_reporter(flow, session)
      drive(session, report)
    },
    interrupt = function(e) {
      told <- core_call("runs.interrupt", pathspec = session$pathspec)
      if (!is.null(report)) report(told$events)
      # A run that had just ended stays as it is.
      exit_status(told$progress$status %||% "interrupted")
    }
  )
  new_result(status, session)
}

# The engine works in slices, so that Ctrl-C is R's own and an IDE stays alive.
drive <- function(session, report, slice_seconds = 0.1) {
  repeat {
    told <- core_call("runs.advance", pathspec = session$pathspec, timeout = slice_seconds)
    report(told$events, told$progress)
    if (told$finished) break
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
begin_run <- function(flow, parameters, options, captured) {
  values <- run_values(flow, parameters, options)
  mode <- options$isolation %||% isolation_setting()
  check_run_options(list(isolation = mode))
  session <- new.env()
  session$workers <- start_workers(mode, options$max_workers)
  session$close <- function() for (worker in session$workers) close_worker(worker)
  on.exit(if (is.null(session$pathspec)) session$close())
  staging <- tempfile("metaflow-")
  dir.create(staging)
  on.exit(unlink(staging, recursive = TRUE), add = TRUE)
  request <- run_request(flow, values, options, staging, captured)
  started <- core_call("runs.start",
    settings = settings_request(options[c("datastore", "datastore_root", "metadata", "max_workers", "max_num_splits", "isolation", "package_suffixes")]),
    request = request,
    worker = list(
      command = I(worker_command(mode)), environment = as.list(worker_environment()), one_task_each = mode == "fresh",
      started = unname(lapply(session$workers, worker_ends))
    )
  )
  if (!is.null(options$run_id_file)) writeLines(started$run, options$run_id_file)
  session$pathspec <- started$pathspec
  session$flow <- started$flow
  session$run <- started$run
  session$root <- started$root
  session
}

# A resumed run has the parameters of its origin.
run_values <- function(flow, parameters, options) {
  if (is.null(options$resume) || isFALSE(options$resume)) {
    return(parameter_values(flow, parameters, list(flow_name = flow$name, user = env_or("METAFLOW_USER", Sys.info()[["user"]]))))
  }
  if (length(parameters)) {
    mf_abort(sprintf("A resumed run has the parameters of its origin; %s cannot be given.", quoted(names(parameters))),
      "metaflow_usage_error", "Start a new run to change parameters.")
  }
  list()
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
    values = as_object(write_values(values, staging)),
    reprs = as_object(lapply(values, one_line)),
    resume = resume_request(flow, options),
    tags = I(as.character(unlist(options$tag))),
    seed = if (is.null(options$seed)) NULL else as.numeric(options$seed),
    max_workers = options$max_workers,
    max_num_splits = options$max_num_splits,
    namespace = options$namespace,
    cwd = getwd(),
    script = flow$script,
    argv = I(commandArgs(TRUE)),
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
    paste(c(source_key(captured$functions[[step]]), names(called), vapply(called, source_key, "")), collapse = "\n")
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
  lapply(as.list(with), function(item) {
    if (inherits(item, "metaflow_decorator")) return(decorator_spec(item))
    if (!is_string(item) || !grepl("^[A-Za-z]", item)) {
      mf_abort(sprintf("'with' must name decorators, but got %s.", shown_value(item)), "metaflow_usage_error", "Write --with retry:times=2, or with = retry(times = 2).")
    }
    name <- sub(":.*$", "", item)
    pairs <- if (grepl(":", item, fixed = TRUE)) strsplit(sub("^[^:]*:", "", item), ",", fixed = TRUE)[[1]] else character()
    if (!all(grepl("=", pairs, fixed = TRUE))) {
      mf_abort(sprintf("Decorator '%s' needs its arguments as name=value, but got '%s'.", name, pairs[!grepl("=", pairs, fixed = TRUE)][[1]]),
        "metaflow_usage_error", "Write --with retry:times=2,minutes_between_retries=0.")
    }
    keys <- sub("=.*$", "", pairs)
    values <- lapply(sub("^[^=]*=", "", pairs), utils::type.convert, as.is = TRUE)
    decorator_spec(new_decorator(name, stats::setNames(values, keys)))
  })
}

# --- workers that start while Python loads -------------------------------------------------------

start_workers <- function(mode, max_workers) {
  count <- min(as.integer(max_workers %||% default_workers()), default_workers())
  lapply(seq_len(max(1L, count)), function(i) {
    command <- worker_command(mode)
    mark <- sprintf("%d-%d-%.0f", Sys.getpid(), i, as.numeric(Sys.time()) * 1e6)
    process <- processx::process$new(command[[1]], command[-1],
      stdin = "|", stdout = "|", stderr = NULL, env = c("current", worker_environment(mark)), cleanup = FALSE
    )
    list(process = process, mark = mark)
  })
}

default_workers <- function() {
  count <- suppressWarnings(parallel::detectCores())
  if (is.na(count)) 1L else as.integer(count)
}

# The core reads and writes the pipes by their descriptors: it lives in this process.
worker_ends <- function(worker) {
  list(
    pid = worker$process$get_pid(),
    stdin = processx::conn_get_fileno(worker$process$get_input_connection()),
    stdout = processx::conn_get_fileno(worker$process$get_output_connection()),
    mark = worker$mark
  )
}

close_worker <- function(worker) {
  close(worker$process$get_input_connection())
  close(worker$process$get_output_connection())
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
