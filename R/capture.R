# A step function travels with everything it needs to run in a clean process.
#
# Captured are: the step functions with their closures; every function of the user's workspace (they
# are small, and may be called by name); the data objects that any step function reaches, however
# large, and small ones besides; S4 and reference classes; the attached packages, in their order.
# A function whose home is a package is not copied: the package is loaded in the task.

large_bytes <- 1024^2

# What `load_code()` restores, as one list.
capture_code <- function(flow) {
  functions <- Filter(Negate(is.null), lapply(flow$steps, function(s) s$r_function))
  decorators <- captured_decorators(flow)
  reached <- lapply(functions, reached_names, workspace = globalenv())
  for (step in names(decorators)) {
    beside <- lapply(decorator_functions(decorators[[step]]), reached_names, workspace = globalenv())
    reached[[step]] <- unique(c(reached[[step]], unlist(beside)))
  }
  others <- lapply(Filter(is.function, lapply(flow$parameters, function(p) if (is_included(p)) p$parser)), reached_names, workspace = globalenv())
  globals <- captured_globals(unique(unlist(c(reached, others))), globalenv())
  index <- source_index(flow$script)
  captured <- list(
    format = 1L,
    functions = lapply(functions, place_in_source, index = index),
    globals = lapply(globals, place_functions, index = index),
    packages = attached_packages(),
    rng = RNGkind(),
    reached = reached
  )
  if (length(decorators)) captured$decorators <- place_decorators(decorators, index)
  if (!is.null(index)) captured$script <- list(name = basename(flow$script), lines = index$lines)
  includes <- captured_includes(flow)
  if (length(includes)) captured$includes <- includes
  warn_large(captured)
  captured
}

# Serializes the capture to `path`; says which part of it cannot be.
write_code <- function(captured, path) {
  tryCatch(write_value(captured, path), error = function(e) {
    mf_abort(sprintf("The code of the flow cannot be captured: %s", conditionMessage(e)), "metaflow_invalid_flow_error",
      "Move objects that cannot be serialized (connections, external pointers) into the step that uses them.")
  })
}

captured_globals <- function(reached, workspace) {
  captured <- structure(list(), names = character())
  for (name in ls(workspace, all.names = TRUE)) {
    # A promise or an active binding that fails is nobody's value.
    value <- tryCatch(list(get(name, envir = workspace, inherits = FALSE)), error = function(e) NULL)
    if (is.null(value) || !is_portable(name, value[[1]])) next
    if (name %in% reached || is_code(name, value[[1]]) || is_small_data(value[[1]])) captured[name] <- value
  }
  captured
}

# Names of the user's workspace that a function reaches, through other functions of the workspace.
# Some code defeats static analysis; it then relies on what is captured besides.
reached_names <- function(f, workspace) {
  if (names_nothing(f, workspace)) return(character())
  found <- tryCatch(
    globals::globalsOf(f, envir = environment(f) %||% workspace, recursive = TRUE, mustExist = FALSE, method = "ordered"),
    error = function(e) NULL
  )
  where <- attr(found, "where")
  as.character(names(found)[vapply(where, identical, FALSE, workspace)])
}

# Most scripts have few objects: a step whose text has none of their names reaches none. That is seen at once, where the
# analysis takes longer to load than a small flow to be captured.
names_nothing <- function(f, workspace) {
  if (!identical(environment(f), workspace) || !all(grepl(packages_only, search()))) return(FALSE)
  said <- all.names(as.call(c(quote(`function`), formals(f), body(f))), unique = TRUE)
  !any(sub("<-$", "", ls(workspace, all.names = TRUE)) %in% said)
}

# What is attached otherwise, by attach(), may itself reach the workspace.
packages_only <- "^(package:|tools:|Autoloads$|\\.GlobalEnv$)"

is_portable <- function(name, value) {
  if (name %in% c(".Random.seed", ".Last.value", ".Traceback", ".First", ".Last")) return(FALSE)
  !(inherits(value, c("metaflow_flow", "metaflow_result", "connection")) ||
    typeof(value) %in% c("externalptr", "weakref"))
}

# Functions, and classes of every kind: they reach each other in ways that no analysis of a step sees.
is_code <- function(name, value) is.function(value) || is_class_table(name) || inherits(value, "R6ClassGenerator")

# S4 generics, classes and methods, reference classes: hidden objects that `methods` reads.
is_class_table <- function(name) startsWith(name, ".__")

is_small_data <- function(value) looks_small(value) && as.numeric(utils::object.size(value)) <= small_bytes

attached_packages <- function() {
  attached <- sub("^package:", "", grep("^package:", search(), value = TRUE))
  rev(setdiff(attached, base_packages))
}

base_packages <- c("base", "methods", "datasets", "utils", "grDevices", "graphics", "stats", "Autoloads")

warn_large <- function(captured) {
  for (name in names(captured$globals)) warn_size(captured$globals[[name]], sprintf("global object '%s'", name))
  for (step in names(captured$functions)) {
    home <- environment(captured$functions[[step]])
    if (is.null(home) || identical(home, globalenv()) || isNamespace(home)) next
    for (name in ls(home, all.names = TRUE)) {
      if (!bindingIsActive(name, home)) warn_size(home[[name]], sprintf("object '%s' beside the function of step '%s'", name, step))
    }
  }
}

warn_size <- function(x, what) {
  if (is.function(x)) return()
  bytes <- as.numeric(utils::object.size(x))
  if (bytes <= large_bytes) return()
  warning(sprintf("The %s is %s and is stored with the code of every run. Load it in a step and assign it to self instead.",
    what, format_bytes(bytes)), call. = FALSE)
}

format_bytes <- function(bytes) {
  if (is.null(bytes) || is.na(bytes)) return("?")
  units <- c("B", "kB", "MB", "GB", "TB")
  power <- if (bytes < 1000) 0L else min(floor(log(bytes, 1000)), 4L)
  value <- bytes / 1000^power
  paste(if (power == 0L) format(value) else format(round(value, if (value < 10) 1L else 0L)), units[[power + 1L]])
}

# --- in the worker -----------------------------------------------------------------------------

# Packages that start threads or an interpreter when they load: a forked child must load them itself.
not_before_fork <- c(
  "arrow", "reticulate", "rJava", "torch", "tensorflow", "keras", "keras3", "sparklyr", "polars", "h2o",
  "duckdb", "V8", "JuliaCall", "rstan", "RcppParallel", "tbb", "mirai", "nanonext", "later", "httpuv"
)

# `traced`: note which of the user's objects a task looks at (memory-trace.R).
load_code <- function(path, traced = FALSE) {
  code <- read_value(path)
  attach_packages(setdiff(code$packages, not_before_fork))
  code$late_packages <- intersect(code$packages, not_before_fork)
  home <- globalenv()
  lazy <- traced & !is_class_table(names(code$globals))
  list2env(code$globals[!lazy], envir = home)
  if (traced) load_traced(code$globals[lazy], home)
  if (any(is_class_table(names(code$globals)))) methods::cacheMetaData(home, attach = TRUE, searchWhere = home)
  code
}

enter_code <- function(code) attach_packages(code$late_packages)

attach_packages <- function(packages) {
  for (package in packages) {
    attached <- suppressWarnings(suppressPackageStartupMessages(
      require(package, character.only = TRUE, quietly = TRUE, warn.conflicts = FALSE)
    ))
    if (!attached) {
      mf_abort(sprintf("The package '%s', attached when the flow was built, cannot be loaded in the task.", package),
        "metaflow_worker_error", sprintf("Install it where the tasks run, or do not attach it: install.packages(\"%s\").", package))
    }
  }
}
