#' What a join step sees: `inputs`
#'
#' The second argument of a join step: one element per incoming task. The inputs of a branch have the
#' names of their steps (`inputs$a$x`), the inputs of a foreach come in the order of its values
#' (`inputs[[3]]$x`). It is a list: `lapply(inputs, function(i) i$x)` and `for` work.
#'
#' In place of a split that failed there is a [metaflow_failure], when the foreach has
#' `on_error = "continue"` or `min_success`.
#'
#' @name inputs
NULL

new_inputs <- function(state) {
  items <- lapply(seq_along(state$inputs$items), function(i) {
    if (is.null(state$inputs$items[[i]]$failure)) structure(i, class = "metaflow_input") else new_failure(state, state$inputs$items[[i]])
  })
  if (isTRUE(state$inputs$named)) names(items) <- vapply(state$inputs$items, function(x) x$step, "")
  structure(items, class = "metaflow_inputs")
}

input_ref <- function(i, name, state = task_state()) {
  own <- state$inputs$items[[i]]$artifacts[[name]]
  if (is.null(own)) own <- state$inputs$base[[name]]
  if (is.null(own)) own <- state$parameters[[name]]
  own
}

input_names <- function(i, state = task_state()) {
  unique(c(names(state$parameters), names(state$inputs$base), names(state$inputs$items[[i]]$artifacts)))
}

input_get <- function(x, name) {
  state <- task_state()
  check_attribute_name(name, "input")
  i <- unclass(x)
  ref <- input_ref(i, name, state)
  note_read(paste0("inputs:", name))
  if (is.null(ref)) {
    item <- state$inputs$items[[i]]
    if (name == "index" && length(item$stack_index)) return(as.integer(item$stack_index))
    if (name == "pathspec") note_volatile("it read the pathspec of an input")
    if (name == "pathspec") return(paste(state$current$flow_name, state$current$run_id, item$step, item$task, sep = "/"))
    note_read("inputs*")
    attribute_error(sprintf("input from step '%s' has no attribute '%s'", item$step, name),
      missing_hint(name, input_names(i, state)))
  }
  if (isTRUE(the$worker$asks)) need_input(i, name, ref, state)
  read_ref(ref, state$blobs, sprintf("artifact '%s' of input %d", name, i), name)
}

# Who reads an artifact of one input mostly reads it of all: they are asked for together, this input's
# and those after it, up to a size.
need_input <- function(i, name, ref, state, most = gathered_bytes) {
  if (at_hand(parse_ref(ref)$blob, state$blobs)) return(invisible())
  refs <- c(ref, unlist(lapply(seq_along(state$inputs$items)[-seq_len(i)], input_ref, name = name, state = state)))
  parts <- strsplit(unique(refs), " ", fixed = TRUE)
  sizes <- as.numeric(vapply(parts, `[[`, "", 3L))
  wanted <- cumsum(sizes) <= most
  wanted[[1]] <- TRUE
  need_blobs(vapply(parts[wanted], `[[`, "", 1L), state$blobs)
}

gathered_bytes <- 1e9

#' @export
`$.metaflow_input` <- function(x, name) input_get(x, name)

#' @export
`[[.metaflow_input` <- function(x, i, ...) input_get(x, i)

#' @export
`$<-.metaflow_input` <- function(x, name, value) inputs_are_read_only()

#' @export
`[[<-.metaflow_input` <- function(x, i, value) inputs_are_read_only()

#' @export
`$<-.metaflow_inputs` <- function(x, name, value) inputs_are_read_only()

#' @export
`[[<-.metaflow_inputs` <- function(x, i, value) inputs_are_read_only()

inputs_are_read_only <- function() {
  attribute_error("inputs are read-only", "Assign to self what the join shall keep: self$x <- inputs[[1]]$x.")
}

#' @rawNamespace S3method(.DollarNames, metaflow_input)
.DollarNames.metaflow_input <- function(x, pattern = "") grep(pattern, names(x), value = TRUE)

#' @export
names.metaflow_input <- function(x) {
  note_read("inputs*")
  input_names(unclass(x))
}

#' @export
print.metaflow_input <- function(x, ...) {
  item <- task_state()$inputs$items[[unclass(x)]]
  note_volatile("it printed an input, which says its task")
  cat("<input> ", item$step, "/", item$task, ": ", paste(names(x), collapse = ", "), "\n", sep = "")
  invisible(x)
}

#' @export
`$.metaflow_inputs` <- function(x, name) {
  known <- names(unclass(x))
  if (!name %in% known) {
    attribute_error(sprintf("inputs has no step '%s'", name),
      if (is.null(known)) "The inputs of a foreach have no names; use inputs[[i]]." else missing_hint(name, known))
  }
  unclass(x)[[name]]
}

#' @export
`[[.metaflow_inputs` <- function(x, i, ...) {
  if (is_string(i)) return(`$.metaflow_inputs`(x, i))
  if (!is.numeric(i) || length(i) != 1L || !i %in% seq_along(unclass(x))) {
    attribute_error(sprintf("there is no inputs[[%s]]", one_line(i)), sprintf("There are %d, from inputs[[1]] on.", length(unclass(x))))
  }
  unclass(x)[[i]]
}

#' @export
`[.metaflow_inputs` <- function(x, i) structure(unclass(x)[i], class = "metaflow_inputs")

#' @export
print.metaflow_inputs <- function(x, ...) {
  cat("<inputs> ", length(x), " task", if (length(x) != 1L) "s", "\n", sep = "")
  for (item in utils::head(unclass(x), 10)) if (is_failure(item)) cat(failure_headline(item), "\n", sep = "") else print(item)
  if (length(x) > 10) cat("...\n")
  invisible(x)
}

#' Collect one artifact from all inputs of a join
#'
#' @param inputs The second argument of a join step.
#' @param input Name of the artifact.
#' @return A list with one value per input, named by step after a branch.
#' @export
#' @examples
#' \dontrun{
#' join <- function(self, inputs) {
#'   self$total <- sum(unlist(gather_inputs(inputs, "y")))
#' }
#' }
gather_inputs <- function(inputs, input) {
  if (!inherits(inputs, "metaflow_inputs")) {
    mf_abort("gather_inputs() needs the 'inputs' of a join step.", "metaflow_usage_error",
      "Declare the join as function(self, inputs) and pass inputs on.")
  }
  check_attribute_name(input, "input")
  lapply(unclass(inputs), function(item) if (is_failure(item)) failure_has_no(item, input) else input_get(item, input))
}

#' Take over artifacts in a join
#'
#' After a split each branch has its own artifacts. `merge_artifacts()` takes over, without reading
#' or copying them, all that agree in every input that has them. When some disagree it raises an
#' error of class `metaflow_merge_error` that names them, and sets nothing. Artifacts that the join
#' step assigned before are left as they are. Splits that failed have no artifacts and no say.
#'
#' @param flow The first argument of the join step (`self`).
#' @param inputs The second argument of the join step.
#' @param exclude Names that are not taken over.
#' @param include Names to take over; all others are not. Not together with `exclude`.
#' @return Invisibly, the names that were taken over.
#' @export
merge_artifacts <- function(flow, inputs, exclude = NULL, include = NULL) {
  merged <- plan_merge(task_state(), inputs, unlist(exclude), unlist(include))
  if (length(merged$conflicts)) {
    merge_error(sprintf("the inputs have different values for %s", quoted(merged$conflicts)),
      sprintf("Assign self$%s in the join step before merge_artifacts(), or leave it out with exclude.", merged$conflicts[[1]]))
  }
  for (name in names(merged$refs)) self_carry(name, merged$refs[[name]])
  invisible(names(merged$refs))
}

# What a join step without a function does: everything that agrees.
merge_agreeing <- function(inputs) {
  merged <- plan_merge(task_state(), inputs, NULL, NULL)
  for (name in names(merged$refs)) self_carry(name, merged$refs[[name]])
}

plan_merge <- function(state, inputs, exclude, include) {
  if (!inherits(inputs, "metaflow_inputs")) {
    mf_abort("merge_artifacts() needs the 'inputs' of a join step.", "metaflow_usage_error",
      "Write merge_artifacts(self, inputs) in a step with join = TRUE.")
  }
  if (length(exclude) && length(include)) {
    merge_error("'exclude' and 'include' were both given", "Give one of them.")
  }
  note_read("inputs*")
  which_inputs <- vapply(Filter(Negate(is_failure), unclass(inputs)), unclass, 0L)
  known <- setdiff(unique(unlist(lapply(which_inputs, input_names, state = state))), names(state$parameters))
  missing <- setdiff(include, known)
  if (length(missing)) {
    merge_error(sprintf("no input has %s", quoted(missing)), missing_hint(missing[[1]], known))
  }
  names_wanted <- if (length(include)) include else setdiff(known, c(exclude, state$assigned))
  refs <- list()
  conflicts <- character()
  for (name in names_wanted) {
    found <- unique(unlist(lapply(which_inputs, input_ref, name = name, state = state)))
    if (refs_agree(found, state$blobs)) refs[[name]] <- found[[1]] else conflicts <- c(conflicts, name)
  }
  list(refs = refs, conflicts = conflicts)
}

# Equal bytes are equal values. Different bytes can still be (R writes 1:3 and c(1L, 2L, 3L)
# differently), so a seeming conflict is looked at before it is called one.
refs_agree <- function(refs, blobs) {
  refs <- refs[!duplicated(ref_digest(refs))]
  if (length(refs) <= 1L) return(TRUE)
  need_blobs(vapply(strsplit(refs, " ", fixed = TRUE), `[[`, "", 1L), blobs)
  first <- read_ref(refs[[1]], blobs, "an artifact")
  for (ref in refs[-1]) if (!identical(first, read_ref(ref, blobs, "an artifact"))) return(FALSE)
  TRUE
}

merge_error <- function(message, hint) {
  mf_abort(paste0("MergeArtifactsException: ", message), "metaflow_merge_error", hint)
}

quoted <- function(x) paste0("'", x, "'", collapse = ", ")
