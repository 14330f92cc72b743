#' A split that failed
#'
#' With `on_error = "continue"` or `min_success`, see [step()], a foreach goes on when a split fails. The join then
#' finds a `metaflow_failure` in its place among the `inputs`. `succeeded(inputs)` are the others, and
#' `failed(inputs)` are the failures alone. A failure is a plain value, which can be stored:
#' `self$problems <- failed(inputs)`.
#'
#' It has
#'
#' * `class`, `message`, `call`: of the R condition that ended the split
#' * `trace`: the calls from the step to the error, outermost first: a data frame of `call`, `file`, `line`
#' * `cause`: `"error"`, `"timeout"`, `"oom"` (out of memory), `"crash"`, `"quit"`, or what a cluster says
#' * `index` (from 0) and `input`: place and value of the split
#' * `pathspec`: the task that failed
#'
#' Reading anything else from it, as an artifact that the split would have had, is an error.
#'
#' @param inputs The second argument of a join step.
#' @return `succeeded()`: inputs. `failed()`: a list of failures. Both are in the order of the splits, and may be empty.
#' @name metaflow_failure
#' @aliases succeeded failed
#' @examples
#' \dontrun{
#' join <- function(self, inputs) {
#'   self$scores <- unlist(gather_inputs(succeeded(inputs), "score"))
#'   for (problem in failed(inputs)) message(problem$input, ": ", problem$message)
#' }
#' }
NULL

#' @rdname metaflow_failure
#' @export
succeeded <- function(inputs) {
  check_inputs(inputs, "succeeded")
  inputs[!vapply(unclass(inputs), is_failure, FALSE)]
}

#' @rdname metaflow_failure
#' @export
failed <- function(inputs) {
  check_inputs(inputs, "failed")
  Filter(is_failure, as.list(unclass(inputs)))
}

check_inputs <- function(inputs, verb) {
  if (inherits(inputs, "metaflow_inputs")) return(invisible())
  mf_abort(sprintf("%s() needs the 'inputs' of a join step.", verb), "metaflow_usage_error",
    "Declare the join as function(self, inputs) and pass inputs on.")
}

is_failure <- function(x) inherits(x, "metaflow_failure")

failure_fields <- c("class", "message", "call", "trace", "cause", "index", "input", "pathspec")

new_failure <- function(state, item) {
  told <- item$failure
  facts <- state$current
  fields <- list(
    class = as.character(unlist(told$classes)), message = told$message, call = told$call,
    trace = frames_table(told$frames), cause = told$cause, index = as.integer(told$index),
    input = read_ref(told$ref, state$blobs, "the value of a split that failed"),
    pathspec = paste(facts$flow_name, facts$run_id, item$step, item$task, sep = "/")
  )
  structure(fields[failure_fields], names = failure_fields, class = "metaflow_failure")
}

#' @export
`$.metaflow_failure` <- function(x, name) {
  if (name %in% failure_fields) unclass(x)[[name]] else failure_has_no(x, name)
}

#' @export
`[[.metaflow_failure` <- function(x, i, ...) if (is_string(i)) `$.metaflow_failure`(x, i) else unclass(x)[[i]]

failure_has_no <- function(x, name) {
  fields <- unclass(x)
  attribute_error(sprintf("no '%s' in split %d, which failed (%s): %s", name, fields$index, fields$cause, fields$message),
    "Use succeeded(inputs) for the splits that have artifacts; failed(inputs) says why others have none.")
}

#' @export
print.metaflow_failure <- function(x, ...) {
  fields <- unclass(x)
  cat(failure_headline(x), "\n", sep = "")
  cat("  split of: ", one_line(fields$input), "\n", sep = "")
  cat(paste0("  ", error_lines(fields$message, fields$call, fields$trace)), sep = "\n")
  invisible(x)
}

failure_headline <- function(x) sprintf("<failure> %s, split %d: %s", x$pathspec, x$index, x$cause)

#' @export
conditionMessage.metaflow_failure <- function(c) unclass(c)$message
