# An R error as plain data: its message, its classes, and where it happened.

error_record <- function(e, frames) {
  list(
    classes = I(class(e)),
    message = error_text(e),
    call = one_line(conditionCall(e)),
    cause = if (grepl("cannot allocate (vector|memory)|std::bad_alloc", error_text(e))) "oom" else "error",
    frames = frames
  )
}

error_text <- function(e) {
  tryCatch(paste(conditionMessage(e), collapse = "\n"), error = function(e) "(an error without a readable message)")
}

# The calls between the step function and the error, outermost first. Calls of R that deal with the
# error, and ours that started the step or made the error, are left out: they are not the user's code.
# `calls` and `functions` are those of the handler's stack; `start` is the number of the step's call.
trace_frames <- function(calls, functions, start) {
  named <- vapply(calls, call_name, "")
  last <- length(calls) - 1L
  while (last > start && named[[last]] %in% error_plumbing) last <- last - 1L
  kept <- seq(start, last)
  own <- vapply(functions[kept], is_own_function, FALSE)
  # Of an error that we raise, the call to us is the last that the user wrote.
  beyond <- which(own & seq_along(kept) > max(which(vapply(functions[kept], is_user_function, FALSE)), 1L))
  if (length(beyond)) {
    kept <- kept[seq_len(beyond[[1]])]
    own[[beyond[[1]]]] <- FALSE
  }
  # The `$` that dispatched to a method of ours would be there twice.
  own <- own[seq_along(kept)] | vapply(functions[kept], is.primitive, FALSE)
  kept <- kept[!own | seq_along(kept) == 1L]
  if (length(kept) > 60L) kept <- kept[c(1:20, (length(kept) - 39L):length(kept))]
  lapply(calls[kept], trace_frame)
}

error_plumbing <- c(".handleSimpleError", "h", "signalCondition", "withRestarts", "withOneRestart", "doWithOneRestart")

is_own_function <- function(f) identical(environment(f), environment(trace_frames))

is_user_function <- function(f) !is.null(environment(f)) && !isNamespace(topenv(environment(f)))

call_name <- function(call) {
  head <- call[[1]]
  if (is.symbol(head)) return(as.character(head))
  if (is.call(head) && as.character(head[[1]])[[1]] %in% c("::", ":::")) return(as.character(head[[3]]))
  ""
}

trace_frame <- function(call) {
  place <- source_place(attr(call, "srcref"))
  list(call = if (is.function(call[[1]])) "" else one_line(written_call(call)), file = place$file, line = place$line)
}

# `$.metaflow_self`(self, x) as it was written: self$x.
written_call <- function(call) {
  method <- regmatches(call_name(call), regexec("^([$]|[[][[])(<-)?[.]metaflow_(self|inputs?)$", call_name(call)))[[1]]
  if (!length(method)) return(call)
  object <- if (nzchar(method[[3]])) as.name(method[[4]]) else call[[2]]
  read <- as.call(list(as.name(method[[2]]), object, call[[3]]))
  if (nzchar(method[[3]])) call("<-", read, call[[length(call)]]) else read
}

source_place <- function(srcref) {
  if (is.null(srcref)) return(list())
  file <- attr(srcref, "srcfile")$filename
  if (is.null(file) || !nzchar(file)) return(list())
  list(file = basename(file), line = as.integer(srcref)[[1]])
}

one_line <- function(call, width = 100L) {
  if (is.null(call)) return(NULL)
  text <- paste(trimws(deparse(call, width.cutoff = 500L, nlines = 5L)), collapse = " ")
  if (nchar(text) > width) paste0(substr(text, 1L, width - 3L), "...") else text
}

# "Error in f(x): boom" and the way there, as R users know it from traceback(), innermost first.
format_failure <- function(error) {
  head <- if (is.null(error$call)) "Error: " else paste0("Error in ", error$call, ": ")
  lines <- paste0(head, error$message)
  frames <- rev(error$frames)
  if (length(frames)) lines <- c(lines, "Call stack, innermost first:", vapply(frames, format_frame, ""))
  paste(lines, collapse = "\n")
}

format_frame <- function(frame) {
  if (is.null(frame$file)) return(paste0("  ", frame$call))
  sprintf("  %s:%d: %s", frame$file, as.integer(frame$line), frame$call)
}

# The condition as an artifact: classes, message and call are kept; fields that carry frames,
# environments or much data are not.
slim_condition <- function(e) {
  fields <- unclass(e)
  keep <- vapply(fields, function(x) looks_small(x) && !is.environment(x), FALSE)
  keep[names(fields) %in% c("message", "call")] <- TRUE
  slim <- fields[keep]
  slim$message <- error_text(e)
  if (!is.null(slim$call)) attributes(slim$call) <- NULL
  structure(slim, class = class(e))
}
