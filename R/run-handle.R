# `run(wait = FALSE)`: the same engine in a background process, and a handle to it.

#' A run in the background
#'
#' What `run(flow, wait = FALSE)` returns. The run goes on when this R session ends.
#'
#' * `$status()`: `"running"`, `"completed"`, `"failed"`, `"interrupted"` or `"lost"`.
#' * `$wait(timeout = Inf)`: waits at most so many seconds for the end, and returns the status.
#' * `$logs()`: what the run has printed so far, as lines.
#' * `$kill()`: stops the run and all its tasks; it can be resumed.
#' * `$run`: the run as a client, see [mf_client()]. `$pathspec`: `"Flow/12"`.
#'
#' @name run_handle
NULL

RunHandle <- R6::R6Class("metaflow_run_handle",
  cloneable = FALSE,
  public = list(
    pathspec = NULL,
    initialize = function(pathspec, root, process, log) {
      self$pathspec <- pathspec
      private$root <- root
      private$process <- process
      private$log <- log
    },
    status = function() client_of_run(self$pathspec, private$root)$status,
    wait = function(timeout = Inf) {
      until <- as.numeric(Sys.time()) + timeout
      while (self$status() == "running" && as.numeric(Sys.time()) < until) Sys.sleep(0.1)
      self$status()
    },
    logs = function() readLines(private$log, warn = FALSE),
    kill = function() {
      private$process$interrupt()
      # The engine stops its tasks and says so in the store; a process that does not is killed.
      private$process$wait(10000)
      if (private$process$is_alive()) private$process$kill_tree()
      invisible(self$status())
    },
    print = function(...) {
      cat("<metaflow run in the background> ", self$pathspec, ": ", self$status(), "\n", sep = "")
      invisible(self)
    }
  ),
  active = list(
    run = function() client_of_run(self$pathspec, private$root)
  ),
  private = list(root = NULL, process = NULL, log = NULL)
)

start_background_run <- function(flow, given) {
  # Not in the session's temporary folder: the run outlives the session.
  folder <- tempfile("run-", tmpdir = tools::R_user_dir("metaflow", "cache"))
  dir.create(folder, recursive = TRUE)
  job <- list(
    flow = flow, captured = capture_code(flow), given = given[names(given) != "wait"],
    namespace = the$namespace, metadata = the$metadata, options = metaflow_options(), folder = folder
  )
  write_value(job, file.path(folder, "job"))
  process <- processx::process$new(
    file.path(R.home("bin"), "Rscript"),
    c("--vanilla", "-e", sprintf("metaflow:::perform_background_run(%s)", encodeString(folder, quote = "\""))),
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
  RunHandle$new(started$pathspec, started$root, process, file.path(folder, "log"))
}

# The other process. It says where the run is as soon as its id is claimed, by a file that appears whole.
perform_background_run <- function(folder) {
  job <- read_value(file.path(folder, "job"))
  options(job$options)
  the$namespace <- job$namespace
  the$metadata <- job$metadata
  began <- function(session) {
    part <- file.path(folder, "begun.part")
    writeLines(json(list(pathspec = session$pathspec, root = session$root)), part)
    file.rename(part, file.path(folder, "begun"))
  }
  result <- tryCatch(
    perform_run(job$flow, job$given, captured = job$captured, began = began),
    error = function(e) {
      write_value(e, file.path(folder, "failure"))
      1L
    }
  )
  quit(save = "no", status = as.integer(result))
}
