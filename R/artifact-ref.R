# Where the bytes of an artifact are: one string "<blob> <offset> <size> <digest>", so that a task
# with a thousand inherited artifacts parses none of those it does not read.

parse_ref <- function(ref) {
  part <- strsplit(ref, " ", fixed = TRUE)[[1]]
  list(blob = part[[1]], offset = as.numeric(part[[2]]), size = as.numeric(part[[3]]), digest = part[[4]])
}

ref_digest <- function(ref) sub("^.* ", "", ref)

read_ref <- function(ref, blobs, what) {
  place <- parse_ref(ref)
  path <- file.path(blobs, substr(place$blob, 1, 2), place$blob)
  if (!file.exists(path)) {
    mf_abort(sprintf("The stored bytes of %s are missing (blob %s).", what, place$blob),
      "metaflow_worker_error", "The datastore was changed or is incomplete; check its root and permissions.")
  }
  tryCatch(
    read_value(path, place$offset, place$size),
    error = function(e) {
      mf_abort(sprintf("The stored bytes of %s cannot be read (blob %s): %s", what, place$blob, conditionMessage(e)),
        "metaflow_corrupted_error", "The blob may be damaged, or the value was made by a package that is not installed here.")
    }
  )
}
