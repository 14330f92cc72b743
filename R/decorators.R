#' Decorate a step or a flow
#'
#' Decorators change how a step runs, not what it does. `decorator()` reaches all of them, built in or
#' from an extension; [retry()], [catch()], [timeout()], [resources()] and others are typed shortcuts.
#' Arguments are checked when the flow is built.
#'
#' @param x Name of the decorator.
#' @param ... Its arguments, by name.
#' @return A decorator, to be given to [step()] or [metaflow()].
#' @export
#' @examples
#' decorator("retry", times = 2)
decorator <- function(x, ...) {
  if (missing(x) || !is_string(x) || !nzchar(x)) {
    mf_abort("decorator() needs the name of a decorator.", "metaflow_usage_error", "Write decorator(\"retry\", times = 2).")
  }
  arguments <- list(...)
  if (length(arguments) && (is.null(names(arguments)) || !all(nzchar(names(arguments))))) {
    mf_abort(sprintf("The arguments of decorator '%s' need names.", x), "metaflow_usage_error",
      sprintf("Write decorator(\"%s\", name = value).", x))
  }
  new_decorator(x, arguments)
}

new_decorator <- function(name, arguments) {
  twice <- names(arguments)[duplicated(names(arguments))]
  if (length(twice)) {
    mf_abort(sprintf("Argument '%s' of decorator '%s' is given twice.", twice[[1]], name), "metaflow_usage_error", "Keep one of them.")
  }
  arguments <- Filter(Negate(is.null), arguments)
  own <- user_decorator(name, arguments)
  if (!is.null(own)) return(own)
  value <- structure(list(name = name, arguments = Filter(Negate(is.null), arguments)), class = "metaflow_decorator")
  check_decorator(value)
  value
}

#' @export
print.metaflow_decorator <- function(x, ...) {
  cat("<decorator> ", format_decorator(x), "\n", sep = "")
  invisible(x)
}

format_decorator <- function(x) {
  arguments <- vapply(x$arguments, function(a) if (is_cfg(a)) format(a) else one_line(a), "")
  sprintf("%s(%s)", x$name, paste(names(arguments), arguments, sep = " = ", collapse = ", "))
}

decorator_spec <- function(x) {
  if (!is_user_decorator(x)) return(list(name = x$name, args = decorator_arguments(x$arguments)))
  # The core knows its name; what is more than data is told as text.
  plain <- lapply(x$arguments, function(a) if (is.atomic(a) && is.null(attributes(a))) a else one_line(a))
  list(name = x$name, args = decorator_arguments(plain), user = TRUE)
}

# Vectors of several values are arrays, one value is itself; an empty list is an object.
decorator_arguments <- function(arguments) {
  if (!length(arguments)) return(structure(list(), names = character()))
  lapply(arguments, function(a) if (is.character(a) && !is.null(names(a))) as.list(a) else a)
}

collect_decorators <- function(given, level, where = "the flow") {
  for (i in seq_along(given)) {
    if (inherits(given[[i]], "metaflow_decorator")) {
      check_decorator_level(given[[i]]$name, level, where)
      next
    }
    named <- names(given)[i]
    what <- if (length(named) && !is.na(named) && nzchar(named)) {
      sprintf("Unknown argument '%s' in %s.", named, where)
    } else {
      sprintf("A value of class %s in %s is not a decorator.", class(given[[i]])[[1]], where)
    }
    known <- if (level == "step") setdiff(names(formals(step)), c("flow", "...")) else "cls"
    hint <- if (length(named) && !is.na(named)) did_you_mean(named, known)
    mf_abort(what, "metaflow_usage_error",
      hint %||% "Decorators are written as retry(times = 2) or decorator(\"retry\", times = 2).")
  }
  unname(given)
}

# The table of decorators, one copy for both languages (python -m metaflow_core.decorators).
decorator_table <- function() {
  if (is.null(the$decorators)) {
    the$decorators <- jsonlite::fromJSON(system.file("decorators.json", package = "metaflow"), simplifyVector = FALSE)
  }
  the$decorators
}

find_decorator <- function(name) {
  table <- decorator_table()
  if (!is.null(table[[name]])) return(table[[name]])
  for (known in table) if (name %in% unlist(known$aliases)) return(known)
  NULL
}

# A decorator that the table does not have may come from an extension: the core decides, before
# anything runs. A near miss of a known name is refused here.
check_decorator <- function(x) {
  known <- find_decorator(x$name)
  if (is.null(known)) {
    near <- nearest(x$name, c(names(decorator_table()), names(the$user_decorators)))
    if (!is.null(near)) mf_abort(sprintf("There is no decorator '%s'.", x$name), "metaflow_invalid_flow_error", sprintf("Did you mean '%s'?", near))
    return(invisible())
  }
  allowed <- vapply(known$args, function(a) a$name, "")
  for (name in names(x$arguments)) {
    argument <- if (name %in% allowed) known$args[[match(name, allowed)]] else known$other_args
    if (is.null(argument)) {
      mf_abort(sprintf("Decorator '%s' has no argument '%s'.", x$name, name), "metaflow_invalid_flow_error",
        known$refused[[name]] %||% did_you_mean(name, allowed) %||% sprintf("It has: %s.", if (length(allowed)) paste(allowed, collapse = ", ") else "none"))
    }
    if (is_cfg(x$arguments[[name]])) next
    if (!argument_fits(argument, x$arguments[[name]])) {
      mf_abort(sprintf("Argument '%s' of decorator '%s' must be %s, not %s.", name, x$name, argument_wanted(argument), shown_value(x$arguments[[name]])),
        "metaflow_invalid_flow_error", argument$help)
    }
  }
}

check_decorator_level <- function(name, level, where) {
  known <- find_decorator(name) %||% if (name %in% names(the$user_decorators)) list(level = "step")
  if (is.null(known) || known$level == level) return(invisible())
  mf_abort(sprintf("Decorator '%s' belongs to a %s, but stands at %s.", name, known$level, where), "metaflow_invalid_flow_error",
    if (known$level == "step") "Give it to step()." else "Give it to metaflow().")
}

# The rules of `Argument` in python/metaflow_core/contracts/decorator.py, so that a mistake is told where it is made.
argument_fits <- function(argument, value) {
  items <- if (isTRUE(argument$vector) && is.null(names(value))) as.list(value) else list(value)
  length(items) > 0L && all(vapply(items, argument_item_fits, FALSE, argument = argument))
}

argument_item_fits <- function(item, argument) {
  if (!any(vapply(unlist(argument$types), decorator_type_fits, FALSE, value = item))) return(FALSE)
  choices <- unlist(argument$choices)
  if (length(choices) && !item %in% choices) return(FALSE)
  !is.numeric(item) || (is.null(argument$min) || item >= argument$min) && (is.null(argument$max) || item <= argument$max)
}

decorator_type_fits <- function(type, value) {
  number <- is.numeric(value) && length(value) == 1L && is.finite(value)
  switch(type,
    int = number && value == trunc(value),
    float = number,
    str = is_string(value),
    bool = is.logical(value) && length(value) == 1L && !is.na(value),
    dict = (is.list(value) || is.character(value)) && (!length(value) || !is.null(names(value)) && all(nzchar(names(value)))),
    FALSE
  )
}

argument_wanted <- function(argument) {
  words <- c(int = "a whole number", float = "a number", str = "a text", bool = "TRUE or FALSE", dict = "a named list")
  types <- unlist(argument$types)
  if ("float" %in% types) types <- setdiff(types, "int")
  choices <- unlist(argument$choices)
  wanted <- if (length(choices)) paste("one of", quoted(choices)) else paste(words[types], collapse = " or ")
  range <- c(if (!is.null(argument$min)) paste("at least", argument$min), if (!is.null(argument$max)) paste("at most", argument$max))
  paste(c(wanted, range, if (isTRUE(argument$vector)) "or several of them"), collapse = ", ")
}

shown_value <- function(value) {
  if (is.null(value)) return("NULL")
  if (is.integer(value) && length(value) == 1L) return(format(value))
  if ((is.atomic(value) || is.list(value)) && is.null(attr(value, "class"))) one_line(value) else sprintf("a value of class %s", class(value)[[1]])
}

#' Try a failed step again
#'
#' @param times How many times to try again after the first failure.
#' @param minutes_between_retries Minutes to wait before each new attempt; several values make the
#'   wait grow, the last one counts for all that follow.
#' @param on Causes of a failure that are worth a new attempt (default: all):
#'   * `"error"`: the step raised an R error
#'   * `"timeout"`: it ran longer than [timeout()] allows
#'   * `"oom"`: memory ran out, in R or so that the kernel killed the process
#'   * `"crash"`: the process died, as of a segmentation fault
#'   * `"quit"`: the step called `quit()`
#'   * `"lost"`, `"preempted"`: a cluster lost the job, or took it away
#' @param memory Memory of the first, second, ... new attempt, in megabytes; the last value counts for
#'   all that follow. The first attempt has what [resources()] asks for.
#' @param ... Further arguments of the decorator: `with = "slurm"` moves the retries to a cluster,
#'   `with = "local"` to this machine.
#' @return A decorator for [step()].
#' @export
#' @examples
#' retry(times = 3, minutes_between_retries = c(0, 1, 5))
#' retry(times = 3, on = c("oom", "crash"), memory = c(8000, 16000, 32000))
retry <- function(times = 3L, minutes_between_retries = 2, on = NULL, memory = NULL, ...) {
  new_decorator("retry", list(times = times, minutes_between_retries = minutes_between_retries, on = on, memory = memory, ...))
}

#' Go on when a step fails
#'
#' When the step has failed for the last time, it counts as done with one artifact: the error, under
#' the name `var` (`NULL` when the step succeeded).
#'
#' @param var Name of the artifact for the error.
#' @param print_exception Print the error when it happens?
#' @return A decorator for [step()].
#' @export
#' @examples
#' catch(var = "problem")
catch <- function(var = NULL, print_exception = TRUE) {
  new_decorator("catch", list(var = var, print_exception = print_exception))
}

#' Limit the time of a step
#'
#' A task that runs longer is killed together with every process it started, also inside compiled
#' code, and counts as failed. The three amounts add up.
#'
#' @param seconds,minutes,hours The limit of one attempt.
#' @return A decorator for [step()].
#' @export
#' @examples
#' timeout(minutes = 10)
timeout <- function(seconds = 0, minutes = 0, hours = 0) {
  new_decorator("timeout", list(seconds = seconds, minutes = minutes, hours = hours))
}

#' Say what a step needs
#'
#' Decides how many tasks run side by side. A step that asks for more than the machine has runs alone,
#' with one warning.
#'
#' @param cpu Number of cores.
#' @param gpu Number of GPUs.
#' @param memory Memory in megabytes (1e6 bytes).
#' @param ... Further arguments, as `disk` and `shared_memory`, in megabytes.
#' @return A decorator for [step()].
#' @export
#' @examples
#' resources(cpu = 4, memory = 16000)
resources <- function(cpu = NULL, gpu = NULL, memory = NULL, ...) {
  new_decorator("resources", list(cpu = cpu, gpu = gpu, memory = memory, ...))
}

#' Set environment variables for a step
#'
#' @param ... Variables and their values, by name.
#' @return A decorator for [step()].
#' @export
#' @examples
#' environment_variables(OMP_NUM_THREADS = "4")
environment_variables <- function(...) {
  values <- list(...)
  if (length(values) && (is.null(names(values)) || !all(nzchar(names(values))))) {
    mf_abort("Environment variables need names.", "metaflow_usage_error", "Write environment_variables(OMP_NUM_THREADS = 4).")
  }
  new_decorator("environment_variables", lapply(values, function(v) if (is.atomic(v)) as.character(v) else v))
}

#' Run a step on a cluster
#'
#' Each task of the step is a job there, the tasks of a foreach are one array; `run --with kubernetes`
#' does the same for all steps. Tasks need the datastore and an image with R and this package in it,
#' see [container_image()]; nothing else of this machine. Slurm needs its commands here, and R and a datastore
#' that the nodes see at the same path.
#'
#' A step that names a cluster which is not set up here runs on this machine: the run says so, and what
#' the step asks for is read like [resources()]. With `--with`, that is an error before anything runs.
#' `decorator("titus", cpu =, memory =, gpu =)` is the cluster that `METAFLOW_TITUS_BACKEND` names.
#'
#' Kubernetes is set up where there is a configuration file (`KUBECONFIG`), AWS Batch where
#' `METAFLOW_BATCH_JOB_QUEUE` is set or the step names its `queue`; [config()] shows the settings of both.
#'
#' A limit that is asked for, `--max-workers` or `METAFLOW_MAX_WORKERS`, counts for the tasks of one foreach on Slurm
#' (`--array=...%N`) and Kubernetes (`parallelism`), whose own array jobs keep it. Those of AWS Batch know no such limit:
#' there it counts for all tasks of the run, which are submitted in slices, as arrays of as many tasks as there is room
#' for while others end. Without a limit a cluster gets all tasks at once, and Batch one array for a foreach.
#'
#' Jobs of several nodes (`num_parallel` of Metaflow in Python) are not supported.
#'
#' @param cpu,gpu,memory As in [resources()], which these win over.
#' @param image Container image.
#' @param queue Job queue.
#' @param namespace,service_account Kubernetes namespace and the account of the pod.
#' @param ... Further arguments of the decorator. For Kubernetes: `disk`, `shared_memory`, `node_selector`,
#'   `tolerations`, `secrets`, `labels`, `annotations`, `persistent_volume_claims`, `image_pull_policy`,
#'   `image_pull_secrets`, `gpu_vendor`, `extended_resources`, `use_tmpfs`, `tmpfs_size`, `tmpfs_path`, `tmpfs_tempdir`,
#'   `qos`, `port`, `security_context`. For AWS Batch: `iam_role`, `execution_role`, `shared_memory`, `max_swap`,
#'   `swappiness`, `aws_batch_tags`, `use_tmpfs`, `tmpfs_size`, `tmpfs_path`, `tmpfs_tempdir`, `inferentia`,
#'   `trainium`, `efa`, `host_volumes`, `efs_volumes`, `ephemeral_storage`, `log_driver`, `log_options`,
#'   `privileged`. For Slurm: `cpu`, `gpu`, `memory`, `partition`, `account`,
#'   `time` (minutes, or a text such as `"1-12:00:00"`), `qos`, `constraint`, `gres`, `modules` (loaded first), `setup`
#'   (lines of shell that run first), `extra` (options of `sbatch`).
#' @return A decorator for [step()].
#' @name clusters
#' @examples
#' batch(cpu = 4, memory = 16000)
#' slurm(partition = "long", time = "1-12", memory = 16000, modules = "R/4.3")
NULL

#' @rdname clusters
#' @export
batch <- function(cpu = NULL, gpu = NULL, memory = NULL, image = NULL, queue = NULL, ...) {
  new_decorator("batch", list(cpu = cpu, gpu = gpu, memory = memory, image = image, queue = queue, ...))
}

#' @rdname clusters
#' @export
kubernetes <- function(cpu = NULL, gpu = NULL, memory = NULL, image = NULL, namespace = NULL, service_account = NULL, ...) {
  new_decorator("kubernetes", list(cpu = cpu, gpu = gpu, memory = memory, image = image, namespace = namespace,
    service_account = service_account, ...))
}

#' @rdname clusters
#' @export
slurm <- function(...) new_decorator("slurm", list(...))
