# `run(wait = FALSE)`: the same engine in a background process, and a handle to it.

#' A run in the background
#'
#' What `run(flow, wait = FALSE)` returns, and `mf_attach()` for a run that somebody else started, here or on another
#' machine. The run goes on when this R session ends.
#'
#' * `$status()`: `"running"`, `"completed"`, `"failed"`, `"interrupted"` or `"lost"`.
#' * `$progress()`: a data frame with a row for each step: `step`, `status`, `tasks`, `done`, `failed`, `running`.
#' * `$wait(timeout = Inf)`: waits at most so many seconds for the end, and returns the status.
#' * `$logs(follow = FALSE)`: what the run has printed so far, as lines; of a run that was attached to, what its tasks have.
#'   `follow = TRUE` prints the lines of its tasks as they come, until the run ends, and returns its status.
#' * `$kill()`: stops the run and all its tasks; it can be resumed. Only on the machine that drives it.
#' * `$run`: the run as a client, see [mf_client()]. `$pathspec`: `"Flow/12"`.
#'
#' @param pathspec A run: `"Flow/12"`, `"Flow/latest_run"`, or its client.
#' @name run_handle
#' @examples
#' \dontrun{
#' handle <- run(flow, wait = FALSE)
#' handle$progress()
#' # Tomorrow, in another session:
#' mf_attach("MyFlow/12")$logs(follow = TRUE)
#' }
NULL

#' @rdname run_handle
#' @export
mf_attach <- function(pathspec) {
  RunHandle$new(find_place("run", pathspec))
}

RunHandle <- R6::R6Class("metaflow_run_handle",
  cloneable = FALSE,
  public = list(
    pathspec = NULL,
    # `process` and `log` are those of a run that this session started.
    initialize = function(place, process = NULL, log = NULL) {
      self$pathspec <- place$pathspec
      private$place <- place
      private$process <- process
      private$log <- log
    },
    status = function() self$run$status,
    progress = function() run_progress(self$run),
    wait = function(timeout = Inf) {
      until <- as.numeric(Sys.time()) + timeout
      repeat {
        # In slices, so that Ctrl-C is R's own.
        status <- core_call("follow.wait", view = everywhere(private$place$view), pathspec = self$pathspec,
          timeout = max(0, min(0.5, until - as.numeric(Sys.time()))))
        if (status != "running" || as.numeric(Sys.time()) >= until) return(status)
      }
    },
    logs = function(follow = FALSE) {
      if (follow) return(follow_logs(private$place, told = function(lines) put_lines(sprintf("[%s/%s] %s", lines$step, lines$task, lines$line))))
      if (!is.null(private$log)) return(readLines(private$log, warn = FALSE))
      place_loglines(private$place)$line
    },
    kill = function() {
      if (self$status() == "running") private$stop()
      invisible(self$status())
    },
    print = function(...) {
      cat("<metaflow run in the background> ", self$pathspec, ": ", status_words(self$status()), "\n", sep = "")
      invisible(self)
    }
  ),
  active = list(
    run = function() run_client$new(private$place)
  ),
  private = list(
    place = NULL, process = NULL, log = NULL,
    # The engine stops its tasks and says so in the store; a process that does not is killed.
    stop = function() {
      told <- function(force) core_call("runs.stop", view = everywhere(private$place$view), pathspec = self$pathspec, force = force)
      if (is.null(private$process)) {
        if (told(FALSE) && self$wait(10) == "running") told(TRUE)
        return()
      }
      private$process$interrupt()
      private$process$wait(10000)
      if (private$process$is_alive()) private$process$kill_tree()
    }
  )
)

run_progress <- function(run) {
  table <- as.data.frame(summary(run))
  table[intersect(c("step", "status", "tasks", "done", "failed", "cloned", "running"), names(table))]
}

start_background_run <- function(flow, given) {
  # Not in the session's temporary folder: the run outlives the session.
  folder <- tempfile("run-", tmpdir = tools::R_user_dir("metaflow", "cache"))
  dir.create(folder, recursive = TRUE)
  extended <- with_user_decorators(flow, given$with)
  flow <- extended$flow
  given["with"] <- list(extended$with)
  job <- list(
    flow = flow, captured = capture_code(flow), hooks = capture_hooks(flow), given = given[names(given) != "wait"],
    namespace = the$namespace, metadata = the$metadata, options = metaflow_options(), folder = folder
  )
  write_value(job, file.path(folder, "job"))
  command <- driver_command(sprintf("metaflow:::perform_background_run(%s)", encodeString(folder, quote = "\"")))
  process <- processx::process$new(
    command[[1]], command[-1],
    stdout = file.path(folder, "log"), stderr = "2>&1", cleanup = FALSE,
    env = c("current", worker_environment()[1])
  )
  begun <- file.path(folder, "begun")
  while (process$is_alive() && !file.exists(begun)) Sys.sleep(0.02)
  if (!file.exists(begun)) {
    failure <- file.path(folder, "failure")
    if (file.exists(failure)) stop(read_value(failure))
    mf_abort("The run could not be started in the background.", "metaflow_run_error", paste(readLines(file.path(folder, "log")), collapse = "\n"))
  }
  started <- parse_json(paste(readLines(begun), collapse = ""))
  RunHandle$new(client_place(client_of_run(started$pathspec, started$root)), process, file.path(folder, "log"))
}

# The other process. It says where the run is as soon as its id is claimed, by a file that appears whole.
perform_background_run <- function(folder) {
  job <- read_value(file.path(folder, "job"))
  the$strings_only <- TRUE
  options(job$options)
  the$namespace <- job$namespace
  the$metadata <- job$metadata
  began <- function(session) {
    part <- file.path(folder, "begun.part")
    writeLines(json(list(pathspec = session$pathspec, root = session$root)), part)
    file.rename(part, file.path(folder, "begun"))
  }
  result <- tryCatch(
    perform_run(job$flow, job$given, captured = job$captured, hooks = job$hooks, began = began),
    error = function(e) {
      write_value(e, file.path(folder, "failure"))
      1L
    }
  )
  quit(save = "no", status = as.integer(result))
}
