#' What is different between two runs
#'
#' Compares parameters, code (a unified diff for each function and file), the graph, versions of packages, and artifacts. Only
#' artifacts whose bytes differ are loaded, and only those that are not too large.
#'
#' @param a,b Two runs, `"Flow/12"` or their clients, or two tasks, `"Flow/12/fit/7"`. Of runs, the artifacts are those of the end
#'   task; when one did not get to its end, those of the last step that both have finished, as a single task.
#' @param max_bytes Artifacts that are larger than this, stored, are not compared by value.
#' @return A list of class `metaflow_diff`, which prints what is different:
#'
#' * `a`, `b`: the pathspecs
#' * `parameters`: a data frame of those that differ: `name`, `a`, `b` (`NA` where there is none)
#' * `graph`: a unified diff of the steps and what leads where
#' * `code`: a list of `functions` and `files`, each a named list of unified diffs (character vectors)
#' * `packages`: a data frame of versions that differ, R and Python among them: `name`, `a`, `b`
#' * `step`: whose artifacts are compared; `NA` when there is no step that both have finished
#' * `artifacts`: a data frame of those that differ: `name`, `change` (`"changed"`, `"new"`, `"gone"`), `class_a`, `class_b`, `bytes_a`,
#'   `bytes_b`
#' * `values`: a named list: how each changed artifact differs, as lines of text, of `waldo::compare()` if waldo is installed
#' @export
#' @seealso [mf_lineage()], [mf_why()]
#' @examples
#' \dontrun{
#' mf_diff("TuneGbmFlow/12", "TuneGbmFlow/13")
#' mf_diff("TuneGbmFlow/12", "TuneGbmFlow/13")$values$best_model
#' mf_diff("TuneGbmFlow/12/fit_models/2", "TuneGbmFlow/13/fit_models/2")
#' }
mf_diff <- function(a, b, max_bytes = 1e6) {
  if (!is.numeric(max_bytes) || length(max_bytes) != 1L || is.na(max_bytes) || max_bytes < 0) {
    mf_abort(sprintf("'max_bytes' must be a number of bytes, not %s.", shown_value(max_bytes)), "metaflow_usage_error")
  }
  places <- list(a = diff_place(a), b = diff_place(b))
  if (places$a$level != places$b$level) {
    mf_abort(sprintf("A %s and a %s cannot be compared.", places$a$level, places$b$level), "metaflow_usage_error", "Name two runs, or two tasks.")
  }
  runs <- lapply(places, function(place) run_facts(run_place(place)))
  tasks <- diff_tasks(places, runs)
  artifacts <- diff_artifacts(lapply(tasks, records_at), unique(unlist(lapply(runs, function(r) names(r$parameters)))))
  structure(list(
    a = places$a$pathspec, b = places$b$pathspec, parameters = diff_parameters(runs), graph = diff_graph(places),
    code = diff_of_code(run_place(places$a), run_place(places$b)), packages = diff_packages(runs),
    step = if (length(tasks)) last_part(parent_place(tasks$a)$pathspec) else NA_character_, artifacts = artifacts,
    values = diff_values(tasks, artifacts, max_bytes)
  ), class = "metaflow_diff")
}

diff_place <- function(x) {
  if (inherits(x, c("metaflow_run_client", "metaflow_task_client"))) return(client_place(x))
  level <- if (is_string(x) && lengths(strsplit(x, "/", fixed = TRUE)) == 4L) "task" else "run"
  find_place(level, x)
}

# The places of the two tasks whose artifacts are compared; an empty list when there are none.
diff_tasks <- function(places, runs) {
  if (places$a$level == "task") return(places)
  ends <- lapply(runs, function(run) run$end_task)
  if (any(lengths(ends) == 0L)) {
    finished <- lapply(places, single_tasks)
    step <- utils::tail(intersect(names(finished$a), names(finished$b)), 1L)
    if (!length(step)) return(list())
    ends <- lapply(finished, function(tasks) tasks[[step]])
  }
  Map(function(place, end) child_place(place, "task", end), places, ends)
}

# Of the steps that have finished and have one task only: its pathspec, by step, in the order of the flow.
single_tasks <- function(place) {
  columns <- browse_at(place, "tasks")
  steps <- text_column(columns$step)
  finished <- text_column(columns$status) %in% good_statuses
  chosen <- finished & !steps %in% steps[duplicated(steps)]
  stats::setNames(paste(place$pathspec, steps[chosen], text_column(columns$task)[chosen], sep = "/", recycle0 = TRUE), steps[chosen])
}

# Names of which `a` and `b`, named texts, say different things.
named_diff <- function(a, b) {
  names <- as.character(union(names(a), names(b)))
  of <- function(x) unname(unlist(lapply(names, function(name) if (is.null(x[[name]])) NA_character_ else as.character(x[[name]]))))
  table <- new_table(name = names, a = as.character(of(a)), b = as.character(of(b)))
  same <- !is.na(table$a) & !is.na(table$b) & table$a == table$b
  table <- table[!same, ]
  rownames(table) <- NULL
  table
}

diff_parameters <- function(runs) {
  shown <- lapply(runs, function(run) lapply(run$parameters, function(p) p$repr %||% "?"))
  # A long value is shown cut off; its digest tells.
  digests <- lapply(runs, function(run) lapply(run$parameters, function(p) p$digest))
  differ <- named_diff(digests$a, digests$b)$name
  of <- function(x) vapply(differ, function(name) x[[name]] %||% NA_character_, "", USE.NAMES = FALSE)
  new_table(name = differ, a = of(shown$a), b = of(shown$b))
}

diff_packages <- function(runs) {
  versions <- lapply(runs, function(run) c(run$versions[setdiff(names(run$versions), "packages")], run$versions$packages))
  named_diff(versions$a, versions$b)
}

diff_graph <- function(places) {
  texts <- lapply(places, function(place) {
    vapply(browse_at(run_place(place), "spec")$steps, graph_line, "")
  })
  unified_diff(texts$a, texts$b, run_place(places$a)$pathspec, run_place(places$b)$pathspec)
}

# "fit -> join  foreach grid  retry(times = 1)"
graph_line <- function(step) {
  following <- paste(unlist(step[["next"]]), collapse = ", ")
  switch <- step$switch
  paste(c(
    if (nzchar(following)) paste(step$name, "->", following) else step$name,
    if (!is.null(step$foreach)) paste("foreach", step$foreach), if (isTRUE(step$join)) "join",
    if (!is.null(switch)) sprintf("by %s: %s", switch$condition, paste(names(switch$cases), "->", unlist(switch$cases), collapse = ", ")),
    vapply(step$decorators, function(d) shown_call(d$name, d$args), "")
  ), collapse = "  ")
}

unified_diff <- function(a, b, from, to) {
  if (identical(a, b)) return(character())
  text_vector(core_call("texts.unified", before = I(as.character(a)), after = I(as.character(b)), from_name = from, to_name = to))
}

# --- code ----------------------------------------------------------------------------------------

# `other`: a place, a run's pathspec, its client, or the code of one.
diff_of_code <- function(place, other) {
  if (inherits(other, code_class)) other <- code_private(other)$place
  if (!inherits(other, "metaflow_place")) other <- run_place(diff_place(other))
  places <- list(a = place, b = other)
  structure(list(
    a = place$pathspec, b = other$pathspec, functions = diff_functions(places), files = diff_files(places)
  ), class = "metaflow_code_diff")
}

diff_functions <- function(places) {
  captured <- lapply(places, function(place) run_captured(place))
  texts <- lapply(captured, function(files) lapply(files, captured_lines))
  # What str() says of two objects can be the same.
  same <- function(name) identical(texts$a[[name]], texts$b[[name]]) &&
    (is.function(captured$a[[name]]$value) || identical(captured$a[[name]]$value, captured$b[[name]]$value))
  names <- union(names(texts$a), names(texts$b))
  names <- names[!vapply(names, same, FALSE)]
  stats::setNames(lapply(names, function(name) {
    lines <- unified_diff(texts$a[[name]], texts$b[[name]], paste0(places$a$pathspec, "/", name), paste0(places$b$pathspec, "/", name))
    if (length(lines)) lines else sprintf("%s is not the same (what str() says of it is)", name)
  }), names)
}

run_captured <- function(place) {
  captured_files(read_located(c(browse_at(place, "captured_code"), offset = 0, encoding = r_encoding), sprintf("code of %s", place$pathspec)))
}

diff_files <- function(places) {
  digests <- lapply(places, browse_at, method = "code_digests")
  names <- named_diff(digests$a, digests$b)$name
  stats::setNames(lapply(names, function(name) {
    lines <- Map(function(place, there) if (!is.null(there[[name]])) browse_at(place, "code_file", name = name)$text %||% NA, places, digests)
    if (anyNA(unlist(lines))) return(sprintf("%s is not the same (and no text)", name))
    lines <- lapply(lines, function(text) if (is.null(text)) character() else strsplit(text, "\r?\n")[[1]])
    unified_diff(lines$a, lines$b, paste0(places$a$pathspec, "/", name), paste0(places$b$pathspec, "/", name))
  }), names)
}

# --- artifacts -----------------------------------------------------------------------------------

diff_artifacts <- function(records, parameters) {
  digests <- lapply(records, function(r) lapply(r[setdiff(names(r), parameters)], function(x) x$digest))
  differ <- sort(named_diff(digests$a, digests$b)$name, method = "radix")
  classes <- function(r) vapply(differ, function(n) if (is.null(r[[n]])) NA_character_ else paste(unlist(r[[n]]$class), collapse = "/"), "", USE.NAMES = FALSE)
  sizes <- function(r) number_column(lapply(differ, function(n) r[[n]]$size))
  table <- new_table(
    name = differ, change = vapply(differ, function(n) if (is.null(records$a[[n]])) "new" else if (is.null(records$b[[n]])) "gone" else "changed", "", USE.NAMES = FALSE),
    class_a = classes(records$a), class_b = classes(records$b), bytes_a = sizes(records$a), bytes_b = sizes(records$b)
  )
  table
}

diff_values <- function(places, artifacts, max_bytes) {
  changed <- artifacts[artifacts$change == "changed", ]
  stats::setNames(lapply(seq_len(nrow(changed)), function(i) {
    size <- max(changed$bytes_a[[i]], changed$bytes_b[[i]])
    if (size > max_bytes) return(sprintf("(not compared: %s; mf_diff(max_bytes = %.0f) does)", format_bytes(size), size))
    tryCatch(
      value_diff(artifact_value(places$a, changed$name[[i]]), artifact_value(places$b, changed$name[[i]])),
      error = function(e) sprintf("(cannot be compared: %s)", conditionMessage(e))
    )
  }), changed$name)
}

value_diff <- function(a, b) {
  if (identical(a, b)) return("(the same value, stored differently)")
  lines <- if (requireNamespace("waldo", quietly = TRUE)) waldo_lines(a, b) else plain_value_diff(a, b)
  if (length(lines)) lines else "(they differ in what is not shown, as attributes or environments)"
}

waldo_lines <- function(a, b) {
  found <- waldo::compare(a, b, x_arg = "a", y_arg = "b", max_diffs = 20)
  unlist(strsplit(as.character(found), "\n", fixed = TRUE))
}

# Short values are shown, others described.
plain_value_diff <- function(a, b) {
  short <- function(x) is.atomic(x) && length(x) <= 5L && is.null(attributes(x))
  if (short(a) && short(b)) return(c(paste("- a:", one_line(a)), paste("+ b:", one_line(b))))
  said <- all.equal(a, b)
  if (isTRUE(said)) "nearly equal: the differences are below 1.5e-8" else said
}

# --- printing ------------------------------------------------------------------------------------

shown_diff_lines <- 60L

#' @export
print.metaflow_diff <- function(x, ...) {
  cat(cli::col_grey("<metaflow diff>"), " ", cli::style_bold(x$a), " -> ", cli::style_bold(x$b), "\n", sep = "")
  lines <- c(
    change_lines("parameters", x$parameters), change_lines("packages", x$packages), section_lines("graph", styled_diff(x$graph)),
    section_lines("code", code_diff_lines(x$code)), section_lines(artifacts_title(x), artifact_diff_lines(x$artifacts, x$values))
  )
  put_lines(if (length(lines)) lines else "  no difference")
  invisible(x)
}

#' @export
print.metaflow_code_diff <- function(x, ...) {
  cat(cli::col_grey("<metaflow code diff>"), " ", cli::style_bold(x$a), " -> ", cli::style_bold(x$b), "\n", sep = "")
  lines <- code_diff_lines(x)
  put_lines(if (length(lines)) lines else "  no difference")
  invisible(x)
}

section_lines <- function(title, lines) if (length(lines)) c(cli::style_bold(title), paste0("  ", lines))

change_lines <- function(title, table) {
  if (!nrow(table)) return(NULL)
  name <- formatC(table$name, width = -max(nchar(table$name)))
  section_lines(title, sprintf("%s  %s -> %s", name, ifelse(is.na(table$a), "(none)", table$a), ifelse(is.na(table$b), "(none)", table$b)))
}

# A script has the text of its functions: then their names are enough.
code_diff_lines <- function(code) {
  names <- sub("^globals/|[.](R|rds)$", "", sub("[.](R|rds)$", "", names(code$functions)))
  if (!length(code$files)) return(unlist(lapply(code$functions, styled_diff), use.names = FALSE))
  c(if (length(names)) paste("changed:", shown_names(names)), unlist(lapply(code$files, styled_diff), use.names = FALSE))
}

styled_diff <- function(lines) {
  if (!length(lines)) return(NULL)
  more <- length(lines) - shown_diff_lines
  lines <- utils::head(lines, shown_diff_lines)
  lines <- ifelse(startsWith(lines, "+"), cli::col_green(lines), ifelse(startsWith(lines, "-"), cli::col_red(lines), ifelse(startsWith(lines, "@@"), cli::col_cyan(lines), lines)))
  c(lines, if (more > 0L) cli::col_grey(sprintf("... %s more", count_of(more, "line"))))
}

# Which step it was is worth saying when it was not the one that is expected.
artifacts_title <- function(x) {
  expected <- x$step %in% c("end", NA) || lengths(strsplit(x$a, "/", fixed = TRUE)) == 4L
  if (expected) "artifacts" else sprintf("artifacts of step '%s'", x$step)
}

artifact_diff_lines <- function(table, values) {
  if (!nrow(table)) return(NULL)
  what <- function(class, bytes) paste0(sub("/.*$", "", class), ", ", vapply(bytes, format_bytes, ""))
  lines <- lapply(seq_len(nrow(table)), function(i) {
    row <- table[i, ]
    said <- switch(row$change, new = paste("new:", what(row$class_b, row$bytes_b)), gone = paste("gone:", what(row$class_a, row$bytes_a)),
      paste(what(row$class_a, row$bytes_a), "->", what(row$class_b, row$bytes_b)))
    c(paste0(cli::style_bold(row$name), "  ", cli::col_grey(said)), if (row$change == "changed") paste0("  ", styled_diff(values[[row$name]])))
  })
  unlist(lines)
}
