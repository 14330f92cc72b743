# The values of a foreach, each on its own, so that a split reads its value and not all of them.

# A vector or list is split by element, a data frame by row.
split_count <- function(x) if (is.data.frame(x)) nrow(x) else length(x)

split_value <- function(x, i) {
  if (is.data.frame(x)) {
    row <- x[i, , drop = FALSE]
    return(row)
  }
  x[[i]]
}

stage_splits <- function(name, folder) {
  if (!name %in% self_names()) {
    attribute_error(sprintf("flow has no attribute '%s' to split by", name),
      paste0("Assign self$", name, " in this step; foreach = \"", name, "\" asks for it."))
  }
  values <- self_get(name)
  if (is.function(values) || is.environment(values) && !is.list(values) || is.symbol(values)) {
    mf_abort(sprintf("A foreach needs a vector, list or data frame, but '%s' is of class %s.", name, class(values)[[1]]),
      "metaflow_worker_error", "Assign the values to split by as a vector, a list or a data frame.")
  }
  count <- split_count(values)
  sizes <- numeric(count)
  if (count > 0L) {
    con <- file(file.path(folder, "splits"), "wb", raw = TRUE)
    on.exit(close(con))
    for (i in seq_len(count)) {
      bytes <- to_bytes(split_value(values, i))
      writeBin(bytes, con)
      sizes[[i]] <- length(bytes)
    }
  }
  labels <- split_labels(values, count)
  list(count = count, file = "splits", sizes = I(sizes), labels = if (is.null(labels)) NULL else I(labels))
}

# Short texts that people recognise a split by: names of the values, or short values themselves.
split_labels <- function(values, count) {
  if (is.data.frame(values) || count == 0L || count > 1000L) return(NULL)
  if (!is.null(names(values))) return(names(values))
  if (is.atomic(values) && !is.raw(values)) return(substr(as.character(values), 1L, 40L))
  NULL
}

# The artifact that a switch looks at, as the text its cases are named by.
switch_key <- function(name, cases) {
  if (!name %in% self_names()) {
    attribute_error(sprintf("flow has no attribute '%s' to decide by", name),
      sprintf("Assign self$%s in this step; condition = \"%s\" asks for it.", name, name))
  }
  value <- self_get(name)
  if (!is.atomic(value) || length(value) != 1L || is.na(value)) {
    mf_abort(sprintf("The condition '%s' must be a single value, but is %s.", name, shown_value(value)),
      "metaflow_worker_error", "Assign one text, number or TRUE/FALSE that names a case.")
  }
  key <- as.character(value)
  if (!key %in% cases) {
    mf_abort(sprintf("The condition '%s' is %s, which is none of the cases: %s.", name, shown_value(value), quoted(cases)),
      "metaflow_worker_error", did_you_mean(key, cases) %||% sprintf("Add a case to next_step: list(\"%s\" = ...).", key))
  }
  key
}
