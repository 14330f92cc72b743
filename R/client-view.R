# Where a client looks, and what it is the client of.
#
# A view is made once, when a client is created from a pathspec, and handed on to every client that comes
# out of it: datastore and namespace of the moment. So setwd(), Sys.setenv(), set_namespace() and
# set_metadata() act on what is asked for afterwards, never on a client that is already there.

current_view <- function(datastore = task_datastore()) {
  note_volatile("it looked at runs through the client, which may be others by now")
  core_call("browse.view",
    settings = settings_request(datastore),
    namespace = chosen_namespace()
  )
}

# Inside a step the datastore and the namespace are those of the run, however it was told of them.
task_datastore <- function() {
  if (is.null(the$task) || !is.null(the$metadata)) return(list())
  if (length(the$worker$store)) the$worker$store else list(datastore_root = dirname(the$task$blobs))
}

# list(): the default; list(NULL): no namespace, everything is seen.
chosen_namespace <- function() {
  if (length(the$namespace)) return(the$namespace)
  if (is.null(the$task)) return(list())
  note_read("current:namespace")
  list(the$task$current$namespace)
}

# A place is what a client holds: its level ("datastore", "flow", "run", "step", "task"), its pathspec and its view.
new_place <- function(level, pathspec, view) {
  structure(list(level = level, pathspec = pathspec, view = view), class = "metaflow_place")
}

# The place that a user named, by a pathspec or by a parent and an id. It exists: the core was asked.
find_place <- function(level, pathspec, id = NULL, view = NULL) {
  if (inherits(pathspec, "metaflow_place")) return(pathspec)
  parent <- if (inherits(pathspec, "metaflow_client")) client_place(pathspec)
  text <- child_pathspec(level, pathspec, id)
  view <- parent$view %||% view %||% current_view()
  # Who has a run may see all of it: namespaces are about runs.
  asked <- if (is.null(parent) || parent$level %in% c("datastore", "flow")) view else everywhere(view)
  if (level == "flow") return(new_place(level, core_call("browse.flow", view = asked, flow = text)$pathspec, view))
  new_place(level, core_call("browse.find", view = asked, pathspec = text, level = level), view)
}

# The client of a run that this session has made, wherever it was told to keep it.
client_of_run <- function(pathspec, datastore_root) {
  run_client$new(new_place("run", pathspec, current_view(list(datastore_root = datastore_root))))
}

everywhere <- function(view) {
  view$namespace <- list(NULL)
  view
}

# Asks the core about a place. Its namespace was checked when it was found, so a run whose tag was taken
# away meanwhile can still be read; only a flow shows different runs in different namespaces.
browse <- function(place, method, ...) {
  view <- if (place$level %in% c("datastore", "flow")) place$view else everywhere(place$view)
  core_call(paste0("browse.", method), view = view, ...)
}

browse_at <- function(place, method, ...) browse(place, method, pathspec = place$pathspec, ...)

child_place <- function(place, level, pathspec) new_place(level, pathspec, place$view)

parent_place <- function(place) {
  level <- switch(place$level, task = "step", step = "run", run = "flow")
  if (is.null(level)) NULL else child_place(place, level, sub("/[^/]*$", "", place$pathspec))
}

run_place <- function(place) {
  child_place(place, "run", paste(utils::head(strsplit(place$pathspec, "/", fixed = TRUE)[[1]], 2L), collapse = "/"))
}

last_part <- function(pathspec) sub("^.*/", "", pathspec)

pathspec_tail <- function(pathspec, parts) {
  vapply(strsplit(pathspec, "/", fixed = TRUE), function(p) paste(utils::tail(p, parts), collapse = "/"), "")
}

# "Flow/12" of ("Flow/12"), ("Flow", 12), (flow client, 12), (flow client, run client) or (run client).
child_pathspec <- function(level, parent, id) {
  parent <- pathspec_text(level, parent)
  if (is.null(id)) return(parent)
  id <- pathspec_text(level, id)
  if (!nzchar(parent) || startsWith(id, paste0(parent, "/"))) id else paste(parent, id, sep = "/")
}

pathspec_text <- function(level, x) {
  if (inherits(x, "metaflow_client")) return(client_place(x)$pathspec)
  if (length(x) == 1L && !is.na(x)) {
    if (is.character(x)) return(as.vector(x))
    if (is.numeric(x)) return(format(x, scientific = FALSE, trim = TRUE, digits = 15))
  }
  mf_abort(sprintf("%s does not name a %s.", shown_value(x), level), "metaflow_invalid_pathspec_error",
    sprintf("Use a pathspec such as \"%s\", or the client of the %s and an id.",
      switch(level, flow = "Flow", run = "Flow/12", step = "Flow/12/start", "Flow/12/start/1"),
      switch(level, flow = "datastore", run = "flow", step = "run", "step")))
}
