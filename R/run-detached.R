# `--detach`: the run begins here, and everything after that is a job of the cluster, which drives the run. The core's part is
# python/metaflow_core/bridge/detached.py; the job's script writes the notes that are looked for here.

#' Runs without a session
#'
#' `Rscript flow.R run --with slurm --detach`, or `run(flow, with = "slurm", detach = TRUE)`, checks the flow, keeps its code,
#' gives the run its id, and hands it to Slurm: the scheduler becomes a job, too, so no session and no login has to stay.
#' In R, a [handle][run_handle] comes back at once.
#'
#' The scheduler's job needs one core and 2 GB of memory, and gets the partition, account, quality of service, modules and
#' lines of setup of the steps; `--detach-with slurm:partition=long,time=600` says it differently. Minutes before the
#' time of the job is over it suspends the run and goes back into the queue; so it does when its node dies. Tasks that
#' are jobs of their own go on meanwhile, and nothing is done twice. A step that runs in the scheduler's job itself,
#' because it is no job of Slurm, begins again.
#'
#' Follow such a run with `Rscript flow.R logs RUN --follow`, or `mf_attach("Flow/12")$logs(follow = TRUE)`; look at its jobs
#' with `Rscript flow.R slurm list`; stop it with `mf_attach("Flow/12")$kill()`, or `Rscript flow.R slurm kill --run-id 12`.
#'
#' The datastore must be a directory that all machines share, or S3.
#'
#' @name detached
#' @examples
#' \dontrun{
#' handle <- run(flow, with = "slurm", detach = slurm(partition = "long", time = "7-00:00:00"))
#' handle$progress()
#' }
NULL

is_detached <- function(detach) !is.null(detach) && !isFALSE(detach)

begin_detached_run <- function(flow, parameters, options, captured, hooks) {
  detach <- decorators_from_option(if (isTRUE(options$detach)) "slurm" else options$detach)[[1]]
  home <- tools::R_user_dir("metaflow", "cache")
  session <- begin_run(flow, parameters, options, captured, here = FALSE, start = function(settings, request, worker) {
    core_call("detached.begin", settings = settings, request = request, worker = worker, detach = detach, home = home)
  })
  folder <- session$started$folder
  job <- list(
    flow = flow, captured = captured, hooks = hooks, options = options[!names(options) %in% c("detach", "run_id_file", "resume", "origin_run_id")],
    run = session$run, namespace = the$namespace, metadata = the$metadata, r_options = metaflow_options(), cwd = getwd()
  )
  write_value(job, file.path(folder, "run"))
  number <- core_call("detached.submit",
    settings = settings_request(options[c("datastore", "datastore_root", "metadata")]), pathspec = session$pathspec,
    job_name = session$started$job_name, folder = folder, detach = detach,
    command = I(driver_command("metaflow:::continue_detached_run()")),
    environment = as.list(worker_environment()["R_LIBS"])
  )
  new_reporter(flow, session)(list(list(event = "output", lines = c(
    sprintf("Goes on as job %s of Slurm; this session is not needed any more.", number),
    sprintf("Follow it: Rscript %s logs %s --follow", basename(flow$script %||% "flow.R"), session$run)
  ))))
  RunHandle$new(client_place(client_of_run(session$pathspec, session$root)))
}

# In the job, in its folder.
continue_detached_run <- function(folder = getwd()) {
  job <- read_value(file.path(folder, "run"))
  the$strings_only <- TRUE
  options(job$r_options)
  the$namespace <- job$namespace
  the$metadata <- job$metadata
  setwd(job$cwd)
  session <- begin_run(job$flow, list(), c(job$options, resume = TRUE), job$captured, start = function(settings, request, worker) {
    request$resume <- NULL
    core_call("detached.go_on", settings = settings, request = request, worker = worker, run = job$run)
  })
  report <- new_reporter(job$flow, session)
  session$asked <- function() {
    if (file.exists(file.path(folder, "stop"))) raise_interrupt()
    if (!file.exists(file.path(folder, "suspend"))) return()
    report(core_call("runs.suspend", pathspec = session$pathspec)$events)
    file.create(file.path(folder, "suspended"))
    session$close()
    quit(save = "no", status = 0L)
  }
  result <- finish_run(job$flow, session, report, function(session) NULL, job$hooks)
  quit(save = "no", status = as.integer(result))
}
