# Which Python runs the core, in this order: METAFLOW_PYTHON, RETICULATE_PYTHON, the environment that
# install_metaflow() made, the Python of the system. The core needs nothing but the standard library.

metaflow_environment <- "r-metaflow"

python_candidates <- function() {
  home <- Sys.getenv("WORKON_HOME", "~/.virtualenvs")
  c(
    METAFLOW_PYTHON = Sys.getenv("METAFLOW_PYTHON"),
    RETICULATE_PYTHON = Sys.getenv("RETICULATE_PYTHON"),
    environment = path.expand(file.path(Sys.getenv("METAFLOW_VENV", file.path(home, metaflow_environment)), venv_bin(), "python")),
    system = system_python()
  )
}

venv_bin <- function() if (.Platform$OS.type == "windows") "Scripts" else "bin"

# The distribution's own Python has the shared library that reticulate needs; one that comes first on
# the PATH may not.
system_python <- function() {
  if (file.exists("/usr/bin/python3")) return("/usr/bin/python3")
  unname(Sys.which(if (.Platform$OS.type == "windows") "python" else "python3"))
}

find_python <- function(candidates = python_candidates()) {
  named <- candidates[c("METAFLOW_PYTHON", "RETICULATE_PYTHON")]
  for (variable in names(named)[nzchar(named)]) {
    if (!file.exists(named[[variable]])) {
      mf_abort(sprintf("%s names a Python that does not exist: %s", variable, named[[variable]]), "metaflow_setup_error",
        "Unset the variable or correct it.")
    }
    return(named[[variable]])
  }
  found <- Filter(function(path) nzchar(path) && file.exists(path), candidates)
  if (!length(found)) {
    mf_abort("No Python was found.", "metaflow_setup_error",
      "Install Python 3.9 or newer, or run metaflow::install_metaflow().")
  }
  found[[1]]
}

# reticulate loads Matrix, which takes longer than all the rest of a small run.
load_bridge <- function() {
  undisturbed(if (!requireNamespace("reticulate", quietly = TRUE)) {
    mf_abort("The package 'reticulate' is not installed.", "metaflow_setup_error", "install.packages(\"reticulate\")")
  })
}

# A Ctrl-C waits until `expr` is done. Where it comes in the middle, reticulate takes it for an error of its own ("No such
# namespace: reticulate"), a namespace stays half loaded, and Python may end a program that reticulate asks about itself.
undisturbed <- function(expr) {
  # Sys.sleep() looks for a Ctrl-C; whoever has sent one is not told of the error that it may have caused.
  on.exit(Sys.sleep(0))
  suspendInterrupts(expr)
}

# Starts Python inside this R session (once).
start_python <- function() undisturbed(start_python_now())

start_python_now <- function() {
  load_bridge()
  if (reticulate::py_available(initialize = FALSE)) return(invisible())
  python <- find_python()
  tryCatch(
    with_variable("RETICULATE_PYTHON", python, if (the$strings_only) without_numpy(reticulate::py_config()) else reticulate::py_config()),
    error = function(e) {
      mf_abort(sprintf("Python at %s cannot be started: %s", python, conditionMessage(e)), "metaflow_setup_error",
        "Choose another one with METAFLOW_PYTHON, or run metaflow::install_metaflow().")
    }
  )
  invisible()
}

# The variable of the environment has `value` while `expr` is evaluated.
with_variable <- function(name, value, expr) {
  set <- function(value) do.call(Sys.setenv, stats::setNames(list(value), name))
  previous <- Sys.getenv(name, NA)
  on.exit(if (is.na(previous)) Sys.unsetenv(name) else set(previous))
  set(value)
  force(expr)
}

# reticulate loads numpy twice while it starts, if there is one: in a Python of its own that it asks for its configuration,
# and here, to turn arrays into R's. That is 75 of 130 ms, and 25 MB, for a process that only drives a run. So it finds
# another numpy meanwhile, which cannot be loaded. Python code that imports numpy later gets the real one.
without_numpy <- function(expr) {
  hidden_by <- system.file("without-numpy", package = "metaflow")
  folders <- c(hidden_by, Filter(nzchar, Sys.getenv("PYTHONPATH")))
  with_variable("PYTHONPATH", paste(folders, collapse = .Platform$path.sep), {
    force(expr)
    # Within, because Python sets the variable of the whole process.
    reticulate::py_run_string(gsub("HIDDEN_BY", encodeString(hidden_by, quote = "\""), show_numpy, fixed = TRUE), local = TRUE)
  })
}

# What Python starts should find numpy, too.
show_numpy <- "import os, sys
sys.path[:] = [folder for folder in sys.path if folder != HIDDEN_BY]
if 'PYTHONPATH' in os.environ:
    folders = os.environ['PYTHONPATH'].split(os.pathsep)
    os.environ['PYTHONPATH'] = os.pathsep.join(folder for folder in folders if folder != HIDDEN_BY)
"

# Will nothing of this script be evaluated after its one run()? Only then, and without functions that the run itself calls
# (is_computed_here()), can no R code miss numpy here: steps and hooks have processes of their own.
ends_with_run <- function(script) {
  expressions <- tryCatch(parse(script, keep.source = FALSE), error = function(e) NULL)
  if (sum(all.names(expressions) == "run") != 1L) return(FALSE)
  last <- expressions[[length(expressions)]]
  if (is.call(last) && identical(last[[1L]], quote(`%>%`))) last <- last[[3L]]
  is.call(last) && (identical(last[[1L]], quote(run)) || identical(last[[1L]], quote(metaflow::run)))
}

# The Python that runs the core, for processes of its own.
core_python <- function() {
  start_python()
  reticulate::py_config()$python
}

# A Python object of its pickled bytes, left in Python.
unpickle <- function(bytes, what, packages = character()) {
  start_python()
  pickle <- reticulate::import("pickle", convert = FALSE)
  tryCatch(pickle$loads(reticulate::r_to_py(bytes)), error = function(e) {
    mf_abort(sprintf("%s cannot be rebuilt here: %s", what, conditionMessage(e)), "metaflow_artifact_error",
      paste0("Install the package that it belongs to in the Python of this session",
        if (length(packages)) paste0(" (it was made with ", paste(packages, collapse = ", "), ")"), "."))
  })
}
