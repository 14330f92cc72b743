#' Draw a flow
#'
#' Draws the graph of a flow on the current graphics device: a card for each step, a stack of cards for steps that
#' run once for each element of a foreach, cut corners for a switch. On the cards stand the decorators of the step.
#' A transition to a step that does not exist is drawn, too: a flow need not be finished.
#'
#' Text is measured before anything is drawn, and all of it shrinks together when the device is small.
#'
#' @param x A flow, from [metaflow()].
#' @param direction `"right"`, `"down"`, or `"auto"` (default) for the one that fits the device better.
#' @param main Title; `""` for none. Default: the name of the flow.
#' @param ... Ignored.
#' @return The flow, invisibly.
#' @seealso [plot.metaflow_run_client()] for a run, [mf_mermaid()] for a document
#' @export
#' @examples
#' flow <- metaflow("BranchFlow") %>%
#'   step(step = "start", next_step = c("a", "b")) %>%
#'   step(step = "a", next_step = "join") %>%
#'   step(step = "b", next_step = "join") %>%
#'   step(step = "join", join = TRUE, next_step = "end") %>%
#'   step(step = "end")
#' plot(flow)
plot.metaflow_flow <- function(x, direction = c("auto", "right", "down"), main = x$name, ...) {
  check_flow_value(x, "plot")
  direction <- checked_choice(direction, c("auto", "right", "down"), "direction")
  if (!length(x$steps)) mf_abort(sprintf("The flow '%s' has no steps to draw.", x$name), "metaflow_usage_error", "Add some with step().")
  graph <- graph_cards(x$steps)
  for (s in x$steps) graph$cards[[s$name]]$lines <- flow_card_lines(s)
  on_new_page(draw_graph(graph, direction, main %||% ""))
  invisible(x)
}

flow_card_lines <- function(step) {
  notes <- c(
    if (step$join && !grepl("join", step$name, ignore.case = TRUE)) "join", if (!is.null(step$cases)) paste("by", step$condition),
    if (!is.null(step$py_function)) "Python", vapply(step$decorators, function(d) d$name, "")
  )
  wrapped_notes(unique(notes))
}

# Short notes in lines that are not much wider than a name.
wrapped_notes <- function(notes, room = 26L) {
  lines <- character()
  for (note in notes) {
    last <- utils::tail(lines, 1L)
    if (length(last) && nchar(last) + nchar(note) + 2L <= room) lines[[length(lines)]] <- paste(last, note, sep = ", ")
    else lines <- c(lines, note)
  }
  lines
}

checked_choice <- function(value, choices, name) {
  if (identical(value, choices)) return(choices[[1]])
  if (is_string(value) && value %in% choices) return(value)
  mf_abort(sprintf("%s must be one of %s, not %s.", name, quoted(choices), shown_value(value)), "metaflow_usage_error",
    if (is_string(value)) did_you_mean(value, choices))
}

# A page, or the next place of par(mfrow), whose user units are inches; parameters are put back afterwards.
on_new_page <- function(drawing) {
  old <- graphics::par(mar = c(0.6, 0.6, 0.6, 0.6), xpd = NA)
  on.exit(graphics::par(old))
  graphics::plot.new()
  size <- graphics::par("pin")
  graphics::plot.window(c(0, size[[1]]), c(0, size[[2]]), xaxs = "i", yaxs = "i")
  drawing
}
