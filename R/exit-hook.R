#' Do something when a run has ended
#'
#' The functions run after the end of the run is recorded, in an R process of their own, one after the other: send a message,
#' tag the run, write a report. What they print is shown. Nothing that they do changes how the run ended: one that
#' fails is reported as a warning. A run that was interrupted calls none.
#'
#' @param flow A flow, from [metaflow()].
#' @param fn A function of the run, a [run_client], or of nothing. It has what steps have: the functions, constants and
#'   packages that stand beside the flow.
#' @return The flow with the function added.
#' @name exit_hooks
#' @examples
#' metaflow("HookFlow") %>%
#'   step(step = "start", next_step = "end") %>%
#'   step(step = "end") %>%
#'   on_success(function(run) run$add_tag("good")) %>%
#'   on_failure(function(run) message("Look at ", run$pathspec))
NULL

#' @rdname exit_hooks
#' @export
on_success <- function(flow, fn) with_exit_hook(flow, fn, "on_success")

#' @rdname exit_hooks
#' @export
on_failure <- function(flow, fn) with_exit_hook(flow, fn, "on_failure")

with_exit_hook <- function(flow, fn, kind) {
  check_flow_value(flow, kind)
  if (missing(fn) || !is.function(fn)) {
    mf_abort(sprintf("%s() needs a function.", kind), "metaflow_usage_error", sprintf("Write %s(function(run) ...).", kind))
  }
  changed_flow(flow, exit_hooks = c(flow$exit_hooks, list(list(kind = kind, fn = out_of_pipe(fn)))))
}

# What the process of the hooks needs, as capture_code() makes it for tasks; NULL without hooks. It is no part of the
# run's code: hooks have no say in what tasks do.
capture_hooks <- function(flow) {
  if (!length(flow$exit_hooks)) return(NULL)
  functions <- lapply(flow$exit_hooks, function(hook) hook$fn)
  reached <- unique(unlist(lapply(functions, reached_names, workspace = globalenv())))
  index <- source_index(flow$script)
  list(
    kinds = vapply(flow$exit_hooks, function(hook) hook$kind, ""),
    functions = lapply(functions, place_in_source, index = index),
    globals = lapply(captured_globals(reached, globalenv()), place_functions, index = index),
    packages = attached_packages()
  )
}

# After the end of a run, never with an error: one line per line that a hook printed, and what became of it.
run_exit_hooks <- function(captured, status, session) {
  kind <- if (status == 0L) "on_success" else if (status == 130L) "" else "on_failure"
  if (is.null(captured) || !kind %in% captured$kinds) return(invisible())
  tryCatch(
    {
      folder <- tempfile("metaflow-hooks-")
      dir.create(folder)
      on.exit(unlink(folder, recursive = TRUE))
      write_value(c(captured, list(kind = kind, pathspec = session$pathspec, root = session$root, options = metaflow_options())), file.path(folder, "hooks"))
      done <- processx::run(
        rscript(), c("--vanilla", "-e", sprintf("metaflow:::perform_exit_hooks(%s)", encodeString(folder, quote = "\""))),
        env = c("current", worker_environment()[1]), error_on_status = FALSE, stderr_to_stdout = TRUE,
        stdout_line_callback = function(line, process) say_of_hook(session, kind, line)
      )
      if (done$status != 0L && !file.exists(file.path(folder, "told"))) {
        say_of_hook(session, kind, sprintf("Warning: its process ended with status %s. The run stays as it is.", done$status))
      }
    },
    error = function(e) say_of_hook(session, kind, paste("Warning: it could not be started:", conditionMessage(e))),
    interrupt = function(e) say_of_hook(session, kind, "Warning: it was interrupted. The run stays as it is.")
  )
  invisible()
}

say_of_hook <- function(session, kind, lines) {
  put_lines(sprintf("%s [%s] %s: %s", format(Sys.time(), "%Y-%m-%d %H:%M:%S"), session$pathspec, kind, lines))
}

# The other process. A hook that fails does not keep the next one from running.
perform_exit_hooks <- function(folder) {
  hooks <- read_value(file.path(folder, "hooks"))
  options(hooks$options)
  options(warn = 1L, keep.source = TRUE)
  the$metadata <- hooks$root
  the$namespace <- list(NULL)
  attach_packages(hooks$packages)
  list2env(hooks$globals, envir = globalenv())
  if (any(is_class_table(names(hooks$globals)))) methods::cacheMetaData(globalenv(), attach = TRUE, searchWhere = globalenv())
  run <- client_of_run(hooks$pathspec, hooks$root)
  failed <- FALSE
  for (f in hooks$functions[hooks$kinds == hooks$kind]) {
    functions <- list2env(stats::setNames(list(f), hooks$kind), parent = baseenv())
    scope <- list2env(list(run = run), parent = functions)
    called <- as.call(c(as.name(hooks$kind), if (length(formals(args(f)))) quote(run)))
    told <- run_guarded(list(call = called, scope = scope))
    if (told$ok) next
    failed <- TRUE
    file.create(file.path(folder, "told"))
    cat("Warning: the hook failed; the run stays as it is.\n", format_failure(told$error), "\n", sep = "", file = stderr())
  }
  quit(save = "no", status = as.integer(failed))
}
