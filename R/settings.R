# Settings as the core wants them (python/metaflow_core/settings.py): the environment of this session,
# which Python saw only as it was when it started, R options `metaflow.*`, and arguments of the call.
settings_request <- function(arguments = list()) {
  if (!is.null(the$metadata) && is.null(arguments$datastore_root)) arguments$datastore_root <- the$metadata
  list(environment = core_environment(), options = metaflow_options(), arguments = as_object(Filter(Negate(is.null), arguments)))
}

# The variables that the core's settings read. Python copied them when it started; these are those of now.
core_environment <- function() {
  all <- Sys.getenv()
  as_object(as.list(all[startsWith(names(all), "METAFLOW_") | names(all) %in% c("HOME", "USER", "LOGNAME", "USERNAME")]))
}

metaflow_options <- function() {
  all <- options()
  ours <- all[startsWith(names(all), "metaflow.")]
  as_object(Filter(function(x) is.atomic(x) && length(x) >= 1L, ours))
}

# An empty list is an object for JSON.
as_object <- function(x) if (length(x)) x else structure(list(), names = character())
