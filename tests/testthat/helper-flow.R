# Real flows in tests. Every test has a folder of its own, with a datastore and a home in it, and starts
# real `Rscript` processes; when the test ends, its processes and its folder are gone.
#
#   folder <- local_flow_folder()
#   write_flow(folder, 'metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end") %>% run()')
#   done <- run_flow(folder, "run", "--max-workers", "2")
#   done$status; done$stdout; done$stderr
#   flow_client$new("F")$latest_run      # this process looks at the same datastore

# A new empty folder, which this process and its children use until the test ends (`env` does).
local_flow_folder <- function(env = parent.frame()) {
  folder <- normalizePath(withr::local_tempdir(pattern = "metaflow-test-", .local_envir = env))
  dir.create(file.path(folder, "home"))
  withr::local_envvar(flow_environment(folder), .local_envir = env)
  withr::local_dir(folder, .local_envir = env)
  local_session_state(env)
  folder
}

# The environment of a test: nothing of the developer's own settings, the Python that the tests have.
flow_environment <- function(folder) {
  settings <- grep("^METAFLOW_", names(Sys.getenv()), value = TRUE)
  c(
    stats::setNames(rep(NA, length(settings)), settings),
    HOME = file.path(folder, "home"), KUBECONFIG = NA,
    METAFLOW_DATASTORE_ROOT = file.path(folder, "store"),
    METAFLOW_USER = "tester",
    METAFLOW_PYTHON = test_python(),
    R_LIBS = paste(.libPaths(), collapse = .Platform$path.sep),
    TZ = "UTC"
  )
}

# Found once, before a test changes HOME.
test_python <- local({
  python <- NULL
  function() {
    if (is.null(python)) python <<- metaflow:::find_python()
    python
  }
})

# Namespace and datastore of this session, as they are in a new one.
local_session_state <- function(env = parent.frame()) {
  the <- metaflow:::the
  before <- mget(c("namespace", "metadata"), envir = the)
  the$namespace <- list()
  the$metadata <- NULL
  withr::defer(for (name in names(before)) assign(name, before[[name]], envir = the), envir = env)
}

# A script that loads the package; `text` are its lines. Returns its path.
write_flow <- function(folder, text, file = "flow.R") {
  path <- file.path(folder, file)
  writeLines(c("library(metaflow)", text), path)
  path
}

# `Rscript flow.R ARGUMENTS` in the folder: list(status, stdout, stderr, lines), texts as one string, `lines`
# those of stdout. It and all it started are killed after `timeout` seconds.
run_flow <- function(folder, ..., file = "flow.R", env = character(), timeout = 120) {
  done <- withr::with_envvar(c(TESTTHAT = NA, R_TESTS = NA, env), processx::run(
    file.path(R.home("bin"), "Rscript"), c(file, as.character(c(...))),
    wd = folder, error_on_status = FALSE, timeout = timeout, cleanup_tree = TRUE
  ))
  if (isTRUE(done$timeout)) stop("The flow did not end within ", timeout, " seconds:\n", done$stdout, done$stderr)
  list(status = done$status, stdout = done$stdout, stderr = done$stderr, lines = strsplit(done$stdout, "\n", fixed = TRUE)[[1]])
}

# The same, which must succeed.
run_flow_well <- function(folder, ...) {
  done <- run_flow(folder, ...)
  if (done$status != 0L) stop("The flow failed with status ", done$status, ":\n", done$stdout, done$stderr)
  done
}

# Is a process dead? One that was killed a moment ago, and that nobody has waited for yet, is.
is_gone <- function(pid, seconds = 60) {
  until <- Sys.time() + seconds
  repeat {
    stat <- tryCatch(suppressWarnings(readLines(file.path("/proc", pid, "stat"))), error = function(e) character())
    if (!tools::pskill(pid, 0L) || any(grepl(") Z ", stat, fixed = TRUE))) return(TRUE)
    if (Sys.time() > until) return(FALSE)
    Sys.sleep(0.05)
  }
}

# What a command of the command line prints and returns, without a process of its own.
command_output <- function(flow, ...) {
  lines <- utils::capture.output(status <- perform_command(flow, parse_command(flow, c(...)), list()))
  list(status = as.integer(status), lines = lines)
}

# Its JSON, as nested lists.
command_json <- function(flow, ...) parse_json(paste(command_output(flow, ..., "--json")$lines, collapse = "\n"))
