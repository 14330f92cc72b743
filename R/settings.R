# Settings as the core wants them (python/metaflow_core/settings.py): the environment of this session,
# which Python saw only as it was when it started, R options `metaflow.*`, and arguments of the call.
settings_request <- function(arguments = list()) {
  if (!is.null(the$metadata) && is.null(arguments$datastore_root)) arguments$datastore_root <- the$metadata
  list(environment = core_environment(), options = metaflow_options(), arguments = as_object(Filter(Negate(is.null), arguments)))
}

# The variables that the core's settings read. Python copied them when it started; these are those of now.
core_environment <- function() {
  all <- Sys.getenv()
  ours <- startsWith(names(all), "METAFLOW_") | startsWith(names(all), "AWS_") |
    names(all) %in% c("HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", "USERNAME", "KUBECONFIG")
  as_object(as.list(all[ours]))
}

metaflow_options <- function() {
  all <- options()
  ours <- all[startsWith(names(all), "metaflow.")]
  as_object(Filter(function(x) is.atomic(x) && length(x) >= 1L, ours))
}

# An empty list is an object for JSON.
as_object <- function(x) if (length(x)) x else structure(list(), names = character())

# How tasks get a clean process. Workers start before Python does, so the core is asked only when a
# configuration file has a say in it.
isolation_setting <- function() {
  named <- getOption("metaflow.isolation") %||% env_or("METAFLOW_ISOLATION", NULL)
  if (!is.null(named)) return(named)
  folder <- getOption("metaflow.home") %||% env_or("METAFLOW_HOME", "~/.metaflowconfig")
  files <- list.files(folder, "^config.*[.]json$", full.names = TRUE)
  mentioned <- vapply(files, function(file) any(grepl("isolation", readLines(file, warn = FALSE), ignore.case = TRUE)), FALSE)
  if (any(mentioned)) {
    for (row in core_call("setup.settings", settings = settings_request())) if (row$name == "isolation") return(row$value)
  }
  if (.Platform$OS.type == "windows") "fresh" else "fork"
}
