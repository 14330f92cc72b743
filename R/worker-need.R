# A task asks for the stored bytes that it reads, where they are not on this machine.
#
# In a local datastore every blob is a file beside the others. Otherwise `blobs` is a folder of copies:
# those that a task is about to read are named, one digest a line, in a file of the task's folder, whose
# name goes over the wire; whoever runs the worker brings what is missing, checks what is there already,
# and answers in a file beside it (python/metaflow_core/backends/need.py). Each process has its own files,
# so that steps may fork.

blob_path <- function(blob, blobs) file.path(blobs, substr(blob, 1L, 2L), blob)

# See that these blobs are there, as far as they can be had, asking once for all that are not at hand.
need_blobs <- function(digests, blobs) {
  if (!isTRUE(the$worker$asks)) return(invisible())
  digests <- unique(digests)
  wanted <- digests[!at_hand(digests, blobs)]
  if (length(wanted)) {
    nowhere <- ask_for_blobs(wanted)
    for (digest in wanted) assign(digest, !digest %in% nowhere, envir = the$task$asked)
  }
  invisible()
}

# Whether this task has asked for them, and they have not gone since to make room for others.
at_hand <- function(digests, blobs) {
  vapply(digests, exists, NA, envir = the$task$asked, inherits = FALSE) & file.exists(blob_path(digests, blobs))
}

# Whether one is there, or was a moment ago, when we were told so.
can_be_had <- function(digest) isTRUE(the$worker$asks) && isTRUE(get0(digest, envir = the$task$asked, inherits = FALSE))

ask_for_blobs <- function(digests) {
  file <- tempfile("need-", tmpdir = the$task$folder)
  answer <- paste0(file, ".answer")
  on.exit(unlink(c(file, answer)))
  writeLines(digests, file)
  request <- list(t = "need", file = file)
  send(the$wire, request)
  wait_for_answer(answer)
  found <- parse_json(paste(readLines(answer, warn = FALSE, encoding = "UTF-8"), collapse = "\n"))
  if (!is.null(found$error)) raise_core_error(found$error)
  text_vector(found$missing)
}

wait_for_answer <- function(answer) {
  pause <- 0.001
  waited <- 0
  while (!file.exists(answer)) {
    Sys.sleep(pause)
    waited <- waited + pause
    pause <- min(pause * 1.5, 0.05)
    if (waited > 2) {
      # Nobody answers any more when the scheduler is gone; then this ends with an error of the pipe.
      waited <- 0
      tryCatch(send(the$wire, list(t = "waiting")), error = function(e) {
        mf_abort("The stored bytes of an artifact cannot be had: the scheduler of this run is gone.", "metaflow_worker_error",
          "Resume the run.")
      })
    }
  }
}
