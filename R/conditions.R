# The tree of conditions this package raises. Every one has a `hint` that says what to do.
#
#   metaflow_error
#   |- metaflow_usage_error             wrong option, argument or command
#   |- metaflow_invalid_flow_error      the flow breaks rules; `data` lists every problem
#   |- metaflow_attribute_error         an artifact that does not exist, or may not be assigned
#   |- metaflow_merge_error             artifacts of a join conflict
#   |- metaflow_run_error               a run failed; carries `run`
#   |- metaflow_setup_error             Python or the core cannot be used
#   |- metaflow_artifact_error          a stored value that this R cannot read
#   |- metaflow_worker_error            something a task needs is missing or broken
#   `- ... and those of the Python core (`python/metaflow_core/errors.py`), which arrive under
#      their own class names: metaflow_not_found_error, metaflow_namespace_error, ...
#
# What `catch` keeps of a task whose process ended without an R error: metaflow_task_error, and one of
# metaflow_timeout_error, metaflow_quit_error, metaflow_crash_error, metaflow_oom_error; on a cluster also
# metaflow_preempted_error, metaflow_lost_error.

mf_abort <- function(message, class = "metaflow_error", hint = NULL, data = NULL, call = NULL, ...) {
  # A sentence may begin with what shown_value() says.
  message <- sub("^a value of class", "A value of class", message)
  text <- message
  if (length(hint) && nzchar(hint)) text <- paste0(text, "\n", hint)
  stop(structure(
    class = unique(c(class, "metaflow_error", "error", "condition")),
    list(message = text, call = call, hint = hint, data = data, ...)
  ))
}

# "did you mean": the candidate nearest to `word`, or NULL when none is near.
nearest <- function(word, candidates, most = max(2, nchar(word) %/% 3)) {
  candidates <- setdiff(as.character(candidates), word)
  if (!length(candidates)) return(NULL)
  distance <- as.vector(utils::adist(word, candidates, ignore.case = TRUE))
  best <- which.min(distance)
  if (distance[best] <= most) candidates[best] else NULL
}

did_you_mean <- function(word, candidates) {
  near <- nearest(word, candidates)
  if (is.null(near)) NULL else sprintf("Did you mean '%s'?", near)
}
