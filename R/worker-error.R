# An R error as plain data: its message, its classes, and where it happened.

error_record <- function(e, frames) {
  list(
    classes = I(class(e)),
    message = error_text(e),
    call = one_line(conditionCall(e)),
    cause = if (is_out_of_memory(e)) "oom" else "error",
    frames = frames
  )
}

# R has no class for it, and translates its message: what it would write here is looked for, too.
is_out_of_memory <- function(e) {
  text <- error_text(e)
  here <- gettext(paste("cannot allocate vector of size %0.1f", c("Gb", "Mb", "Kb")), domain = "R")
  any(startsWith(text, sub("%0[.]1f.*$", "", here))) ||
    grepl("cannot allocate (vector|memory)|vector memory (exhausted|limit)|std::bad_alloc", text)
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
  source <- attr(srcref, "srcfile")
  if (is.null(source$filename)) return(list())
  line <- as.integer(srcref)[[1]]
  if (nzchar(source$filename)) return(list(file = basename(source$filename), line = line))
  script <- the$worker$code$script
  above <- lines_above(source$lines, script$lines)
  if (is.null(above)) list() else list(file = script$name, line = above + line)
}

# Methods of R6 and S4 classes keep the references of `Rscript`, which count from the expression of the script that
# they are in (capture-source.R). How many lines of the script come before that expression; NULL when it is not there.
lines_above <- function(expression, lines) {
  expression <- unlist(strsplit(paste(expression, collapse = "\n"), "\n", fixed = TRUE))
  most <- length(lines) - length(expression)
  if (!length(expression) || most < 0L) return(NULL)
  for (above in which(endsWith(lines, expression[[1]])) - 1L) {
    if (above <= most && startsWith(lines[[above + length(expression)]], expression[[length(expression)]]) &&
      all(lines[above + seq_along(expression)][-c(1L, length(expression))] == expression[-c(1L, length(expression))])) {
      return(above)
    }
  }
  NULL
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
  if (length(frames)) lines <- c(lines, "Call stack, innermost first:", stack_lines(frames))
  paste(lines, collapse = "\n")
}

# Endless recursion says so in a line, not in thousands.
stack_lines <- function(frames) {
  same <- rle(vapply(frames, format_frame, ""))
  unlist(Map(function(line, times) {
    if (times <= 3L) rep(line, times) else c(line, sprintf("  ... %d more like it", times - 1L))
  }, same$values, same$lengths), use.names = FALSE)
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
