# A task without an engine: what `self`, `inputs` and `current()` see lives in the$task, with the
# bytes of its artifacts in a folder of blobs of the test's own.

# Stores a value as one blob; returns its reference.
blob_of <- function(value, blobs) {
  bytes <- to_bytes(value)
  path <- tempfile(tmpdir = blobs)
  writeBin(bytes, path)
  digest <- unname(tools::md5sum(path))
  dir.create(file.path(blobs, substr(digest, 1, 2)), showWarnings = FALSE)
  file.rename(path, file.path(blobs, substr(digest, 1, 2), digest))
  paste(digest, 0, length(bytes), digest)
}

# `stack`: list of list(index, count, value); `inputs`: named list (branch) or list (foreach) of
# lists of artifacts, one per incoming task.
local_task <- function(artifacts = list(), parameters = list(), stack = list(), inputs = NULL, base = list(),
                       current = list(), env = parent.frame()) {
  blobs <- withr::local_tempdir(.local_envir = env)
  refs <- function(values) lapply(values, blob_of, blobs = blobs)
  order <- list(
    artifacts = refs(artifacts),
    stack = lapply(stack, function(f) list(index = f$index, count = f$count, ref = blob_of(f$value, blobs)))
  )
  if (!is.null(inputs)) {
    order$inputs <- list(
      named = !is.null(names(inputs)), base = refs(base),
      items = lapply(seq_along(inputs), function(i) {
        list(step = if (is.null(names(inputs))) "each" else names(inputs)[[i]], task = as.character(i + 1), artifacts = refs(inputs[[i]]))
      })
    )
  }
  facts <- utils::modifyList(list(flow_name = "F", run_id = "1", step_name = "s", task_id = "9", pathspec = "F/1/s/9"), current)
  previous <- the$task
  the$task <- new_task_state(order, blobs, refs(parameters), facts)
  withr::defer(the$task <- previous, envir = env)
  list(self = new_self(), inputs = if (!is.null(inputs)) new_inputs(the$task))
}
