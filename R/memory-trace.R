# Notes what a task looks at, so that it can be told which tasks would have done the same
# (python/metaflow_core/engine/memory.py). Notes are texts; engine/reads.py lists them.
#
# `the$trace` is there while a task runs. `notes`: what was noted, `reads`: artifacts of other runs; `memoised`: the task
# belongs to a memoised step, of which it must be known what it had of the workspace and what is different each time. A process
# that the step forked (parallel::mclapply) has a copy of these; what it notes goes to a file in the task's folder.

start_trace <- function(order) {
  trace <- new.env(hash = FALSE, parent = emptyenv())
  # What the worker itself looked at when it loaded the code, every task has looked at.
  trace$notes <- if (is.null(the$loaded_notes)) new.env(hash = FALSE, parent = emptyenv()) else list2env(as.list(the$loaded_notes, all.names = TRUE), parent = emptyenv())
  trace$reads <- NULL
  trace$memoised <- isTRUE(order$trace)
  trace$pid <- Sys.getpid()
  trace$folder <- order$dir
  trace$volatile <- NULL
  the$trace <- trace
}

note_read <- function(note) {
  trace <- the$trace
  if (is.null(trace)) {
    if (!is.null(the$loaded_notes)) assign(note, TRUE, envir = the$loaded_notes)
    return(invisible())
  }
  if (Sys.getpid() == trace$pid) assign(note, TRUE, envir = trace$notes) else note_in_file("note", note, trace)
}

# The task looked at something that is another thing each time: no later task does the same.
note_volatile <- function(why) {
  trace <- the$trace
  if (is.null(trace)) return(invisible())
  if (Sys.getpid() == trace$pid) trace$volatile <- trace$volatile %||% why else note_in_file("volatile", why, trace)
}

# An artifact of another run, by its pathspec.
note_artifact_read <- function(pathspec) {
  trace <- the$trace
  if (is.null(trace)) return(invisible())
  if (Sys.getpid() == trace$pid) trace$reads <- unique(c(trace$reads, pathspec)) else note_in_file("artifact", pathspec, trace)
}

note_in_file <- function(kind, text, trace) {
  # Lines of several processes do not mix: each is one write to the end of the file.
  cat(json(list(kind, text)), "\n", sep = "", file = notes_file(trace), append = TRUE)
}

# What the task's result says of it: `used` and `reads` for every task, `trace` for one of a memoised step.
trace_result <- function() {
  trace <- the$trace
  gather_notes(trace)
  reads <- trace$reads
  notes <- ls(trace$notes, all.names = TRUE)
  of_run <- startsWith(notes, "self:") | startsWith(notes, "inputs:") | notes == "input" | notes == "stack"
  found <- list(used = json_array(notes[of_run]), reads = if (length(reads)) I(sort(reads, method = "radix")))
  # Without notes of the workspace nothing is known (the worker was not told in time).
  if (trace$memoised && !is.null(the$loaded_notes)) {
    found$trace <- list(
      notes = I(notes), volatile = trace$volatile, packages = loaded_versions()
    )
  }
  found
}

gather_notes <- function(trace) {
  if (!file.exists(notes_file(trace))) return(invisible())
  for (line in readLines(notes_file(trace), warn = FALSE, encoding = "UTF-8")) {
    # A process may have been killed while it wrote.
    said <- tryCatch(parse_json(line), error = function(e) list("volatile", "a process that it started was killed"))
    switch(said[[1]], note = note_read(said[[2]]), volatile = note_volatile(said[[2]]), artifact = note_artifact_read(said[[2]]))
  }
}

notes_file <- function(trace) paste0(trace$folder, "/notes")

loaded_versions <- function() {
  loaded <- setdiff(loadedNamespaces(), c(base_packages, "tools", "parallel", "compiler", "splines", "stats4", "grid", "tcltk"))
  as_object(stats::setNames(lapply(loaded, function(p) unname(getNamespaceVersion(p))), loaded))
}

# Objects of the workspace which note that they are looked at, when they are first looked at. A promise is looked at by
# everything that finds the object: a call, get(), method dispatch.
load_traced <- function(objects, home) {
  the$loaded_notes <- new.env(parent = emptyenv())
  for (name in names(objects)) delay_traced(name, objects[[name]], home)
}

delay_traced <- function(name, value, home) {
  force(value)
  delayedAssign(name, {
    note_read(paste0("global:", name))
    value
  }, assign.env = home)
}
