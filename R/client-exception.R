#' Why a task failed
#'
#' `task$exception` is the R condition that ended the step, rebuilt: it has the class, the message, the call
#' and the fields of the original, and class `metaflow_task_error` in front. So `tryCatch()`, `stop()` and
#' `conditionMessage()` do with it what they do with any condition. A process that was killed leaves
#' none; then the condition says what is known about its end.
#'
#' Besides the fields of the original it has
#'
#' * `calls`: a data frame of the calls from the step to the error, outermost first: `call`, `file`, `line`
#' * `cause`: `"error"`, `"timeout"`, `"oom"` (out of memory), `"crash"`, `"quit"` or `"lost"`
#' * `pathspec`: the task
#'
#' @name task_exception
#' @seealso [task_client]
#' @examples
#' \dontrun{
#' problem <- task_client$new("TuneGbmFlow/12/fit_models/7")$exception
#' problem
#' problem$calls
#' inherits(problem, "simpleError")
#' }
NULL

task_exception <- function(place) {
  error <- task_facts_of(place)$error
  if (is.null(error)) return(NULL)
  rebuild_condition(stored_condition(place), error, place$pathspec)
}

# A condition whose class needs a package that is missing here is replaced by what the record says.
stored_condition <- function(place) {
  located <- browse_at(place, "condition")
  if (is.null(located)) return(NULL)
  tryCatch(read_located(located, "condition"), metaflow_artifact_error = function(e) NULL)
}

rebuild_condition <- function(stored, error, pathspec) {
  if (is.null(stored)) {
    stored <- structure(class = unique(c(text_vector(error$classes), "error", "condition")), list(message = error$message, call = NULL))
  }
  fields <- unclass(stored)
  fields$calls <- frames_table(error$frames)
  fields$cause <- error$cause
  fields$pathspec <- pathspec
  structure(fields, class = unique(c("metaflow_task_error", class(stored))))
}

frames_table <- function(frames) {
  data.frame(
    call = text_column(field_of(frames, "call")), file = text_column(field_of(frames, "file")),
    line = whole_column(field_of(frames, "line")), stringsAsFactors = FALSE
  )
}

#' @export
print.metaflow_task_error <- function(x, ...) {
  own <- setdiff(class(x), c("metaflow_task_error", "simpleError", "error", "condition"))
  where <- x$pathspec %||% ""
  cat(headline("error", where), if (length(own)) paste0(" (", paste(own, collapse = ", "), ")"), "\n", sep = "")
  cat(error_lines(conditionMessage(x), one_line(conditionCall(x)), x$calls), sep = "\n")
  invisible(x)
}

error_lines <- function(message, call, calls) {
  head <- paste0(cli::col_red(if (is.null(call)) "Error: " else sprintf("Error in %s: ", call)), message)
  if (is.null(calls) || !nrow(calls)) return(head)
  frames <- lapply(rev(seq_len(nrow(calls))), function(i) {
    frame <- as.list(calls[i, ])
    if (is.na(frame$file)) frame$file <- NULL
    frame
  })
  c(head, "Call stack, innermost first:", stack_lines(frames))
}

# One or two lines about an error record: what, and the innermost place in the user's files.
shown_error <- function(error) {
  message <- strsplit(error$message, "\n", fixed = TRUE)[[1]]
  head <- paste0(if (is.null(error$call)) "" else paste0(error$call, ": "), if (length(message)) message[[1]] else "")
  placed <- Filter(function(frame) !is.null(frame$file), error$frames)
  c(head, if (length(placed)) trimws(format_frame(placed[[length(placed)]])))
}
