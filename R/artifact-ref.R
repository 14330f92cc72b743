# Where the bytes of an artifact are: one string "<blob> <offset> <size> <digest>", so that a task
# with a thousand inherited artifacts parses none of those it does not read. An offset below 0 says that the blob is an
# included file, and no R value: -1 a text, -2 bytes.

parse_ref <- function(ref) {
  part <- strsplit(ref, " ", fixed = TRUE)[[1]]
  list(blob = part[[1]], offset = as.numeric(part[[2]]), size = as.numeric(part[[3]]), digest = part[[4]])
}

ref_digest <- function(ref) sub("^.* ", "", ref)

# A copy can be removed between our look and our reading, to make room for others: then it is asked for again.
read_ref <- function(ref, blobs, what, name = NULL, tries = 10L) {
  place <- parse_ref(ref)
  path <- blob_path(place$blob, blobs)
  need_blobs(place$blob, blobs)
  if (!file.exists(path)) {
    if (tries > 1L && can_be_had(place$blob)) return(read_ref(ref, blobs, what, name, tries - 1L))
    mf_abort(sprintf("The stored bytes of %s are missing (blob %s).", what, place$blob),
      "metaflow_worker_error", "The datastore was changed or is incomplete; check its root and permissions.")
  }
  if (place$offset < 0) return(included_value(path, name))
  tryCatch(
    read_value(path, place$offset, place$size),
    error = function(e) {
      if (tries > 1L && !file.exists(path) && can_be_had(place$blob)) return(read_ref(ref, blobs, what, name, tries - 1L))
      mf_abort(sprintf("The stored bytes of %s cannot be read (blob %s): %s", what, place$blob, conditionMessage(e)),
        "metaflow_corrupted_error", "The blob may be damaged, or the value was made by a package that is not installed here.")
    }
  )
}
