#' What a step sees: `self`
#'
#' The first argument of a step function. Assigning `self$x <- value` makes an artifact, which the
#' following steps (and, after the run, the client) read as `self$x`.
#'
#' * `self$x`, `self[["x"]]` read an artifact or a parameter; one that does not exist is an error of
#'   class `metaflow_attribute_error`. Artifacts load on first use.
#' * `self$x <- value` stores any R value; `NULL` is a value. Parameters are read-only.
#' * `self$input` and `self$index` (from 0): the element of the `foreach` that this task has, and its place.
#' * `self$foreach_stack()`: a list of `list(index, count, value)`, outermost split first.
#' * `names(self)`: the names of all artifacts and parameters.
#'
#' @name self
#' @examples
#' \dontrun{
#' start <- function(self) {
#'   self$x <- 1:3
#' }
#' end <- function(self) {
#'   message("sum: ", sum(self$x))
#' }
#' }
NULL

# `self` holds nothing: its state lives in `the$task`. So a closure or a formula made in a step,
# which carries the step's frame with it, does not drag every artifact into its own bytes.
new_self <- function() structure(new.env(parent = emptyenv()), class = "metaflow_self")

self_reserved <- c("input", "index", "foreach_stack", "next_step")

# What would be stored without an error, and be of no use to whoever reads it.
bound_to_task <- c("metaflow_self", "metaflow_inputs", "metaflow_input", "connection")

task_state <- function() {
  if (is.null(the$task)) {
    mf_abort("'self' can be used only while its step runs.", "metaflow_attribute_error",
      "To look at artifacts afterwards use mf_client().")
  }
  the$task
}

# The state of one task. `refs`: named list of references to stored bytes; `values`: what was loaded
# or assigned; `assigned`: names whose bytes must be written when the step is done; `carried`: names
# that a join took over unchanged from an input.
new_task_state <- function(assignment, blobs, parameters, current) {
  state <- new.env(hash = FALSE, parent = emptyenv())
  state$blobs <- blobs
  state$parameters <- parameters
  state$refs <- c(parameters, assignment$artifacts)
  state$values <- new.env(hash = TRUE, parent = emptyenv(), size = 8L)
  state$asked <- new.env(hash = TRUE, parent = emptyenv(), size = 8L)
  state$assigned <- character()
  state$carried <- list()
  state$stack <- assignment$stack
  state$inputs <- assignment$inputs
  # Most tasks do not ask.
  delayedAssign("current", current, assign.env = state)
  state
}

attribute_error <- function(message, hint = NULL) {
  mf_abort(paste0("AttributeError: ", message), "metaflow_attribute_error", hint)
}

self_get <- function(name) {
  state <- task_state()
  check_attribute_name(name, "self")
  if (exists(name, envir = state$values, inherits = FALSE)) return(get(name, envir = state$values, inherits = FALSE))
  ref <- state$refs[[name]]
  if (is.null(ref) && name %in% self_reserved) return(self_reserved_value(name, state))
  if (is.null(state$carried[[name]])) note_read(paste0("self:", name))
  if (is.null(ref)) {
    note_read("names")
    attribute_error(sprintf("flow has no attribute '%s'", name), missing_hint(name, self_names(state)))
  }
  value <- read_ref(ref, state$blobs, sprintf("artifact '%s'", name), name)
  assign(name, value, envir = state$values)
  value
}

# Artifacts are read by one name; unlike a list, `self` has no partial matching, no order and no vectors of names.
check_attribute_name <- function(name, what) {
  if (is_string(name)) return(invisible())
  attribute_error(sprintf("%s is read by one name", what), sprintf("Write %s$name or %s[[\"name\"]].", what, what))
}

missing_hint <- function(name, known) {
  near <- did_you_mean(name, known)
  if (!is.null(near)) return(near)
  if (!length(known)) return("It has no artifacts yet; assign one with self$name <- value.")
  most <- 20L
  paste0("It has: ", paste(utils::head(known, most), collapse = ", "), if (length(known) > most) ", ..." else ".")
}

self_reserved_value <- function(name, state) {
  depth <- length(state$stack)
  if (name != "next_step") note_read(if (name == "foreach_stack") "stack" else name)
  switch(name,
    input = if (depth) stack_value(state, depth) else NULL,
    index = if (depth) as.integer(state$stack[[depth]]$index) else NULL,
    foreach_stack = function() {
      lapply(seq_len(depth), function(i) {
        frame <- state$stack[[i]]
        list(index = as.integer(frame$index), count = as.integer(frame$count), value = stack_value(state, i))
      })
    },
    next_step = NULL
  )
}

stack_value <- function(state, depth) {
  frame <- state$stack[[depth]]
  # A small one came with the order (python/metaflow_core/backends/split_values.py).
  if (!is.null(frame$value)) return(unserialize(base64_bytes(frame$value)))
  read_ref(frame$ref, state$blobs, "the value of this foreach split")
}

self_set <- function(name, value) {
  state <- task_state()
  if (!is.character(name) || length(name) != 1L || is.na(name) || !nzchar(name)) {
    attribute_error("an artifact needs a name of one string", "Write self$name <- value.")
  }
  if (!is.null(state$parameters[[name]])) {
    attribute_error(sprintf("parameter '%s' is read-only", name), "Store the changed value under another name.")
  }
  if (name %in% self_reserved) {
    attribute_error(sprintf("'%s' is reserved and cannot be an artifact", name), "Choose another name.")
  }
  if (inherits(value, bound_to_task)) {
    attribute_error(sprintf("'%s' cannot keep an object of class %s, which ends with its task", name, class(value)[[1]]),
      "Assign the values that it gives.")
  }
  assign(name, value, envir = state$values)
  state$assigned <- union(state$assigned, name)
  state$carried[[name]] <- NULL
  invisible(NULL)
}

# Takes over stored bytes under a name, without reading them.
self_carry <- function(name, ref) {
  state <- task_state()
  state$refs[[name]] <- ref
  state$carried[[name]] <- ref
  state$assigned <- setdiff(state$assigned, name)
  if (exists(name, envir = state$values, inherits = FALSE)) rm(list = name, envir = state$values)
}

self_names <- function(state = task_state()) unique(c(names(state$refs), state$assigned))

#' @export
`$.metaflow_self` <- function(x, name) self_get(name)

#' @export
`[[.metaflow_self` <- function(x, i, ...) self_get(i)

#' @export
`$<-.metaflow_self` <- function(x, name, value) {
  self_set(name, value)
  x
}

#' @export
`[[<-.metaflow_self` <- function(x, i, value) {
  self_set(i, value)
  x
}

#' @export
names.metaflow_self <- function(x) {
  note_read("names")
  self_names()
}

#' @export
length.metaflow_self <- function(x) length(names(x))

#' @export
print.metaflow_self <- function(x, ...) {
  note_volatile("it printed self, which says its pathspec")
  cat("<self> of ", the$task$current$pathspec, "\n", sep = "")
  known <- names(x)
  cat(if (length(known)) paste0("  ", known, collapse = "\n") else "  (no artifacts)", "\n", sep = "")
  invisible(x)
}

#' @importFrom utils .DollarNames
#' @rawNamespace S3method(.DollarNames, metaflow_self)
.DollarNames.metaflow_self <- function(x, pattern = "") {
  grep(pattern, c(names(x), setdiff(self_reserved, "next_step")), value = TRUE)
}
