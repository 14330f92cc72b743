# Artifacts: the core says where the bytes are, R reads them there.

artifact_value <- function(place, name, attempt = NULL) {
  if (!is.character(name) || length(name) != 1L || is.na(name)) {
    mf_abort(sprintf("%s is not the name of an artifact.", shown_value(name)), "metaflow_usage_error",
      "Use one string, as artifact(\"x\"); lapply() over several.")
  }
  located <- browse_at(place, "locate", name = name, attempt = attempt_number(attempt))
  note_artifact_read(paste(located$pathspec, name, sep = "/"))
  what <- sprintf("artifact '%s' of %s", name, located$pathspec)
  read_located(located, what, function() browse_at(place, "locate", name = name, attempt = attempt_number(attempt), verify = TRUE))
}

# `verify` checks the digest and raises the error that names the damage. Reading a value does not pay for
# that; when it cannot be read, the check tells damaged bytes from a value that this R cannot rebuild, and
# brings a copy that was removed to make room for others.
read_located <- function(located, what, verify = NULL) {
  if (identical(located$encoding, "file-text")) return(read_text(located$path))
  if (identical(located$encoding, "file-bytes")) return(read_bytes(located$path))
  if (!identical(located$encoding, r_encoding)) {
    mf_abort(sprintf("The %s is stored as '%s', which R cannot read.", what, located$encoding), "metaflow_artifact_error",
      if (startsWith(located$encoding, "pickle")) "A step in Python made it; read it with Python, or store it there as a table or as JSON."
      else "A newer version of metaflow may have written it.")
  }
  tryCatch(read_value(located$path, located$offset, located$size), error = function(e) {
    if (!is.null(verify)) {
      verify()
      again <- tryCatch(list(read_value(located$path, located$offset, located$size)), error = function(e) NULL)
      if (!is.null(again)) return(again[[1]])
    }
    mf_abort(sprintf("The %s cannot be read: %s", what, conditionMessage(e)), "metaflow_artifact_error",
      "Its bytes are intact. A package that its class needs may be missing here.")
  })
}

attempt_number <- function(attempt) {
  if (is.null(attempt)) return(NULL)
  number <- suppressWarnings(as.integer(attempt))
  if (length(number) == 1L && !is.na(number) && number >= 0L) return(number)
  mf_abort(sprintf("%s is not the number of an attempt.", shown_value(attempt)), "metaflow_usage_error",
    "Attempts are counted from 0.")
}

# Records of the artifacts of a task, or of the end task of a run, by name.
artifact_records <- function(pathspec) records_at(find_place(if (lengths(strsplit(pathspec, "/")) == 2L) "run" else "task", pathspec))

# A run that has no end task has no artifacts.
records_at <- function(place, attempt = NULL) {
  if (place$level == "run" && is.null(run_facts(place)$end_task)) return(list())
  browse_at(place, "artifacts", attempt = attempt_number(attempt))
}

# `own`: without the parameters.
artifact_names <- function(place, own = FALSE) {
  known <- as.character(names(records_at(place)))
  if (own) known <- setdiff(known, names(run_facts(run_place(place))$parameters))
  sort(known, method = "radix")
}

artifact_table <- function(place) {
  records <- records_at(place)
  records <- records[order(as.character(names(records)), method = "radix")]
  new_table(
    artifact = as.character(names(records)),
    class = vapply(records, function(r) paste(unlist(r$class), collapse = "/"), ""),
    size = vapply(records, shown_size, ""),
    bytes = number_column(field_of(records, "size")),
    row.names = NULL
  )
}

shown_size <- function(record) {
  if (length(record$dim)) paste(unlist(record$dim), collapse = " x ") else paste(record$length %||% "")
}

# `run$data`: looks like a list of all artifacts and loads those that are used.
new_data <- function(place) structure(list(place = place), class = "metaflow_data")

data_place <- function(x) unclass(x)$place

#' @export
`$.metaflow_data` <- function(x, name) artifact_value(data_place(x), name)

#' @export
`[[.metaflow_data` <- function(x, i, ...) artifact_value(data_place(x), if (is.numeric(i)) names(x)[[i]] else i)

#' @export
`[.metaflow_data` <- function(x, i) {
  known <- names(x)
  if (!is.character(i)) i <- known[i]
  stats::setNames(lapply(i, artifact_value, place = data_place(x)), i)
}

#' @export
names.metaflow_data <- function(x) artifact_names(data_place(x))

#' @export
length.metaflow_data <- function(x) length(names(x))

#' @export
as.list.metaflow_data <- function(x, ...) x[names(x)]

#' @rawNamespace S3method(.DollarNames, metaflow_data)
.DollarNames.metaflow_data <- function(x, pattern = "") grep(pattern, names(x), value = TRUE)

#' @export
`$<-.metaflow_data` <- function(x, name, value) {
  mf_abort(sprintf("Artifact '%s' cannot be assigned: what a run made never changes.", name), "metaflow_attribute_error",
    "Assign it to self in a step, and run the flow again.")
}

#' @export
`[[<-.metaflow_data` <- function(x, i, value) `$<-.metaflow_data`(x, i, value)

#' @export
print.metaflow_data <- function(x, ...) {
  place <- data_place(x)
  table <- artifact_table(place)
  cat(headline("data", place$pathspec), "\n", sep = "")
  if (nrow(table)) {
    print_table(list(artifact = table$artifact, class = table$class, size = table$size, stored = vapply(table$bytes, format_bytes, "")))
  } else {
    cat("  no artifacts\n")
  }
  invisible(x)
}

#' @export
str.metaflow_data <- function(object, ...) print(object)
