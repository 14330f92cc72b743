#' Draw a flow
#'
#' Draws the graph of a flow on the current graphics device: steps from left to right, a foreach as a
#' stack of boxes.
#'
#' @param x A flow, from [metaflow()].
#' @param ... Ignored.
#' @return The flow, invisibly.
#' @export
#' @examples
#' flow <- metaflow("BranchFlow") %>%
#'   step(step = "start", next_step = c("a", "b")) %>%
#'   step(step = "a", next_step = "join") %>%
#'   step(step = "b", next_step = "join") %>%
#'   step(step = "join", join = TRUE, next_step = "end") %>%
#'   step(step = "end")
#' plot(flow)
plot.metaflow_flow <- function(x, ...) {
  check_flow_value(x, "plot")
  if (!length(x$steps)) mf_abort(sprintf("The flow '%s' has no steps to draw.", x$name), "metaflow_usage_error")
  draw_graph(graph_layout(x$steps), x$name)
  invisible(x)
}

# One row per step: its layer (the longest way from the start) and its row within the layer; plus the
# arrows as pairs of step names.
graph_layout <- function(steps) {
  names_all <- names(steps)
  arrows <- do.call(rbind, lapply(steps, function(s) {
    targets <- intersect(s$next_step, names_all)
    if (length(targets)) cbind(from = s$name, to = targets) else NULL
  }))
  layer <- stats::setNames(rep(0L, length(names_all)), names_all)
  # The longest way has at most as many arrows as there are steps; a cycle ends there, too.
  for (i in seq_along(names_all)) {
    for (j in seq_len(NROW(arrows))) {
      if (arrows[j, 1] != arrows[j, 2]) layer[arrows[j, 2]] <- min(length(names_all), max(layer[arrows[j, 2]], layer[arrows[j, 1]] + 1L))
    }
  }
  depth <- foreach_depth(steps, arrows)
  row <- stats::ave(seq_along(layer), layer, FUN = function(i) seq_along(i) - (length(i) + 1) / 2)
  list(
    boxes = data.frame(name = names_all, x = unname(layer), y = -row, stacked = depth > 0L, join = vapply(steps, function(s) s$join, FALSE)),
    arrows = arrows
  )
}

# How many foreach splits are open while a step runs. A split opens, a join closes what was opened last.
foreach_depth <- function(steps, arrows) {
  open <- stats::setNames(vector("list", length(steps)), names(steps))
  for (i in seq_along(steps)) {
    for (j in seq_len(NROW(arrows))) {
      from <- steps[[arrows[j, 1]]]
      to <- arrows[j, 2]
      inside <- c(open[[from$name]], if (!is.null(from$foreach)) "foreach" else if (length(from$next_step) > 1L && is.null(from$cases)) "branch")
      if (steps[[to]]$join) inside <- utils::head(inside, -1L)
      if (from$name != to && length(inside)) open[[to]] <- inside
    }
  }
  vapply(open, function(splits) sum(splits == "foreach"), 0L, USE.NAMES = FALSE)
}

draw_graph <- function(layout, title) {
  boxes <- layout$boxes
  old <- graphics::par(mar = c(0.5, 0.5, 2.5, 0.5))
  on.exit(graphics::par(old))
  graphics::plot.new()
  graphics::plot.window(xlim = range(boxes$x) + c(-0.6, 0.6), ylim = range(boxes$y) + c(-0.8, 0.8))
  graphics::title(title)
  half <- min(0.42, 0.06 * max(nchar(boxes$name)) * max(1, diff(range(boxes$x))) / 6 + 0.2)
  tall <- 0.22
  for (i in seq_len(NROW(layout$arrows))) draw_arrow(boxes, layout$arrows[i, 1], layout$arrows[i, 2], half, tall)
  for (i in seq_len(nrow(boxes))) draw_box(boxes[i, ], half, tall)
}

draw_arrow <- function(boxes, from, to, half, tall) {
  a <- boxes[match(from, boxes$name), ]
  b <- boxes[match(to, boxes$name), ]
  if (from == to) {
    across <- seq(-0.2, 0.2, length.out = 25)
    graphics::lines(b$x + across, b$y + tall + 0.18 - 4 * across^2, col = "grey45")
    return(invisible())
  }
  graphics::arrows(a$x + half, a$y, b$x - half, b$y, length = 0.08, col = "grey45")
}

draw_box <- function(box, half, tall) {
  fill <- if (box$join) "#e8eef7" else if (box$name %in% c("start", "end")) "#e9f3e6" else "#fbf4e3"
  shifts <- if (box$stacked) c(0.05, 0.025, 0) else 0
  for (shift in shifts) {
    graphics::rect(box$x - half + shift, box$y - tall + 1.6 * shift, box$x + half + shift, box$y + tall + 1.6 * shift, col = fill, border = "grey35")
  }
  graphics::text(box$x, box$y, box$name, cex = 0.9)
}
