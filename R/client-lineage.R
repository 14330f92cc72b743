#' Where an artifact comes from, and what became of it
#'
#' Goes from artifact to artifact: up to those that the task which assigned it had used, down to those which the tasks that
#' used it assigned. A task that reads artifacts of another run through [mf_client()] links the two, so lineage goes
#' through flows.
#'
#' @param pathspec An artifact, `"Flow/12/end/3/model"`, or a task, `"Flow/12/end/3"` or its client, which stands for all that it
#'   assigned. An artifact that a task passed on is looked up where it was assigned.
#' @param direction `"both"`, `"up"` or `"down"`.
#' @param depth How many artifacts deep.
#' @return A data frame of class `metaflow_lineage` with a row for each artifact, the one that was asked for first: `direction`
#'   (`""`, `"up"`, `"down"`), `depth`, `pathspec`, `name`, `task` (`NA` for a parameter), `relation` (`"used"`, or `"read
#'   through the client"`), `from` (the artifact which it leads to or comes from), `class`, `bytes`, `origin` (where a task
#'   was taken over from), `more` (so many artifacts of other tasks of its step are left out), `seen` (what is below it
#'   stands further up already), `gone` (its run was deleted). It prints as a tree.
#' @export
#' @examples
#' \dontrun{
#' mf_lineage("TuneGbmFlow/12/end/12/best_model")
#' mf_lineage("TuneGbmFlow/12/start/1/features", direction = "down")
#' }
mf_lineage <- function(pathspec, direction = "both", depth = 20L) {
  if (!is_string(direction) || !direction %in% c("both", "up", "down")) {
    mf_abort(sprintf("'direction' must be \"both\", \"up\" or \"down\", not %s.", shown_value(direction)), "metaflow_usage_error")
  }
  if (!is.numeric(depth) || length(depth) != 1L || is.na(depth) || depth < 1) {
    mf_abort(sprintf("'depth' must be a whole number from 1, not %s.", shown_value(depth)), "metaflow_usage_error")
  }
  view <- if (inherits(pathspec, "metaflow_client")) client_place(pathspec)$view else current_view()
  found <- core_call("browse.lineage", view = view, pathspec = pathspec_text("task", pathspec), direction = direction, depth = min(depth, 200))
  lineage_table(found)
}

lineage_table <- function(found) {
  root <- found$root$pathspec
  rows <- c(list(c(found$root, direction = "", depth = 0L, from = NA)), lineage_rows(found$up, "up", 1L, root), lineage_rows(found$down, "down", 1L, root))
  table <- new_table(
    direction = text_column(field_of(rows, "direction")), depth = whole_column(field_of(rows, "depth")),
    pathspec = text_column(field_of(rows, "pathspec")), name = text_column(field_of(rows, "name")),
    task = text_column(field_of(rows, "task")), relation = text_column(field_of(rows, "relation")),
    from = text_column(field_of(rows, "from")), class = vapply(rows, function(r) paste(unlist(r$class), collapse = "/"), ""),
    bytes = number_column(field_of(rows, "size")), origin = text_column(field_of(rows, "origin")),
    more = whole_column(field_of(rows, "more")), seen = flag_column(field_of(rows, "seen")), gone = flag_column(field_of(rows, "gone"))
  )
  structure(table, class = c("metaflow_lineage", class(table)))
}

# Depth first, as the tree is printed.
lineage_rows <- function(nodes, direction, depth, from) {
  rows <- list()
  for (node in nodes) {
    below <- lineage_rows(node$children, direction, depth + 1L, node$pathspec)
    node$children <- NULL
    rows <- c(rows, list(c(node, direction = direction, depth = depth, from = from)), below)
  }
  rows
}

# Some of the rows, or of the columns, are no tree.
#' @export
`[.metaflow_lineage` <- function(x, ...) {
  class(x) <- setdiff(class(x), "metaflow_lineage")
  x[...]
}

#' @export
print.metaflow_lineage <- function(x, ...) {
  all <- x[]
  parts <- lapply(c(up = "up", down = "down"), function(direction) lineage_lines(all[all$direction == direction, ], all$pathspec[[1]]))
  put_lines(c(
    cli::style_bold(all$pathspec[[1]]),
    if (length(parts$up)) c("comes from", parts$up),
    if (length(parts$down)) c("led to", parts$down),
    if (nrow(all) == 1L) cli::col_grey("  (it used nothing, and nothing used it)")
  ))
  invisible(x)
}

# One line for each row, and one for those that were left out beside it.
lineage_lines <- function(rows, root) {
  glyphs <- if (cli::is_utf8_output()) c("\u251c\u2500 ", "\u2514\u2500 ", "\u2502  ") else c("|- ", "`- ", "|  ")
  run_of <- function(pathspec) sub("^([^/]+/[^/]+).*$", "\\1", pathspec)
  margins <- character()
  lines <- character()
  for (i in seq_len(nrow(rows))) {
    depth <- rows$depth[[i]]
    after <- rows$depth[-seq_len(i)]
    ends <- which(after < depth)
    last <- !any(after[seq_len(if (length(ends)) ends[[1]] - 1L else length(after))] == depth)
    margin <- paste0("  ", paste(utils::head(margins, depth - 1L), collapse = ""))
    margins <- c(utils::head(margins, depth - 1L), if (last) "   " else glyphs[[3L]])
    row <- rows[i, ]
    elsewhere <- run_of(row$pathspec) != run_of(row$from)
    lines <- c(lines, paste0(margin, glyphs[[if (last) 2L else 1L]], lineage_text(row, elsewhere)))
    if (row$more > 0L) {
      lines <- c(lines, paste0(margin, margins[[depth]], cli::col_grey(sprintf("(and '%s' of %s)", row$name, count_of(row$more, "more task")))))
    }
  }
  lines
}

# `elsewhere`: in another run than the one above, so it says in which.
lineage_text <- function(row, elsewhere) {
  place <- if (is.na(row$task)) paste0("parameter", if (elsewhere) paste(" of", row$pathspec)) else if (elsewhere) row$task else pathspec_tail(row$task, 2L)
  said <- c(
    if (nzchar(row$class)) sub("/.*$", "", row$class), if (row$relation != "used") row$relation,
    if (!is.na(row$origin)) paste("taken over from", row$origin), if (row$gone) "its run is gone", if (row$seen) "see above",
    if (is.na(row$name)) "assigned nothing"
  )
  paste0(if (!is.na(row$name)) paste0(row$name, "  "), cli::col_grey(paste(c(place, said), collapse = ", ")))
}
