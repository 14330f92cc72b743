#' Draw a run
#'
#' `type = "graph"`: the graph of its flow, each step with its status, how many tasks it has and how they ended, how long
#' it took and how much it stored. `type = "timeline"`: a bar for each attempt of a task, from its start to its end, by step.
#'
#' Each status has a sign and a colour that the colour-blind can tell apart; the signs say the same in black and white.
#'
#' @param x A [run_client].
#' @param type `"graph"` or `"timeline"`.
#' @inheritParams plot.metaflow_flow
#' @return The run, invisibly.
#' @seealso [summary.metaflow_run_client()]
#' @export
#' @examples
#' \dontrun{
#' run <- run_client$new("TuneGbmFlow/latest_run")
#' plot(run)
#' plot(run, type = "timeline")
#' }
plot.metaflow_run_client <- function(x, type = c("graph", "timeline"), direction = c("auto", "right", "down"), main = x$pathspec, ...) {
  type <- checked_choice(type, c("graph", "timeline"), "type")
  direction <- checked_choice(direction, c("auto", "right", "down"), "direction")
  place <- client_place(x)
  table <- run_summary(place)
  if (type == "timeline") on_new_page(draw_timeline(table, main %||% ""))
  else on_new_page(draw_run(browse_at(place, "spec"), table, direction, main %||% ""))
  invisible(x)
}

draw_run <- function(spec, table, direction, main) {
  graph <- graph_cards(spec_steps(spec))
  for (i in seq_len(nrow(table))) {
    card <- graph$cards[[table$step[[i]]]]
    if (is.null(card)) next
    # `$lines[] <-` would drop an empty one.
    graph$cards[[table$step[[i]]]] <- utils::modifyList(card, list(
      looks = card_looks(table$status[[i]]), lines = run_card_lines(table[i, ]), parts = run_card_parts(table[i, ])
    ))
  }
  statuses <- unique(vapply(graph$cards, function(card) card$looks, ""))
  draw_graph(graph, direction, main, run_line(table), intersect(names(status_looks), statuses))
}

# What a step is called that has no task yet, or needs none, is no status of a task.
card_looks <- function(status) if (status %in% names(status_looks)) status else "waiting"

run_card_lines <- function(row) {
  if (row$tasks == 0L) return(row$status)
  took <- if (!is.na(row$seconds)) format_seconds(row$seconds)
  stored <- if (isTRUE(row$stored_bytes > 0)) format_bytes(row$stored_bytes)
  c(if (row$tasks > 1L) run_card_counts(row), paste(c(took, stored), collapse = ", "))
}

run_card_counts <- function(row) {
  parts <- c(failed = row$failed, caught = row$caught, "taken over" = row$cloned)
  parts <- parts[parts > 0 & parts < row$tasks]
  paste(c(count_of(row$tasks, "task"), paste(parts, names(parts), recycle0 = TRUE)), collapse = ", ")
}

run_card_parts <- function(row) {
  if (row$tasks < 2L) return(numeric())
  parts <- c(done = row$done - row$caught, caught = row$caught, cloned = row$cloned, failed = row$failed, running = row$tasks - row$done - row$cloned - row$failed)
  parts[parts > 0]
}

# "completed, 5.7 s, 13 tasks, 8.6 MB"
run_line <- function(table) {
  run <- attr(table, "run")
  seconds <- span_seconds(run$created_at, run$finished_at, identical(run$status, "running"))
  paste(c(run$status, if (!is.na(seconds)) format_seconds(seconds), count_of(sum(table$tasks), "task"),
    format_bytes(sum(table$stored_bytes, na.rm = TRUE))), collapse = ", ")
}
