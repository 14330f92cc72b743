# Settings as the core wants them: R options `metaflow.*` and arguments of the call. The core adds the
# environment and the configuration file (python/metaflow_core/settings.py).
settings_request <- function(arguments = list()) {
  if (!is.null(the$metadata) && is.null(arguments$datastore_root)) arguments$datastore_root <- the$metadata
  list(options = metaflow_options(), arguments = as_object(Filter(Negate(is.null), arguments)))
}

metaflow_options <- function() {
  all <- options()
  ours <- all[startsWith(names(all), "metaflow.")]
  as_object(Filter(function(x) is.atomic(x) && length(x) >= 1L, ours))
}

# An empty list is an object for JSON.
as_object <- function(x) if (length(x)) x else structure(list(), names = character())
