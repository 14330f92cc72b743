# The picture of a graph, in inches: first at its natural size, then shrunk to fit the device. Text is measured, so
# nothing overlaps whatever the names are.

# Draws on the current page, see on_new_page(). `direction`: "right", "down" or "auto", whichever can be larger.
# `main`, `below`: title and what stands under it; `legend`: statuses to explain at the foot.
draw_graph <- function(graph, direction = "auto", main = "", below = NULL, legend = character()) {
  title <- title_height(main, below)
  foot <- if (length(legend)) text_height(letters_of$line) + 0.2 else 0
  space <- graphics::par("pin") - c(0, title + foot)
  directions <- if (direction == "auto") c("right", "down") else direction
  pictures <- lapply(directions, function(way) graph_picture(graph, way))
  fits <- vapply(pictures, function(p) min(space[[1]] / p$width, space[[2]] / p$height, 1.25), 0)
  # From left to right is how a flow is told, unless it would be much smaller.
  best <- which.max(fits * c(1.2, 1)[seq_along(fits)])
  picture <- pictures[[best]]
  scale <- fits[[best]]
  free <- space - c(picture$width, picture$height) * scale
  place <- function(x, y) list(x = free[[1]] / 2 + (x - picture$left) * scale, y = foot + free[[2]] / 2 + (picture$height - y + picture$top) * scale)
  draw_title(main, below, top = foot + space[[2]] - free[[2]] / 2 + title)
  for (link in picture$links) draw_link(link, place, scale)
  for (label in picture$labels) draw_label(label, place, scale)
  for (box in picture$boxes) draw_card(box, place, scale)
  if (length(legend)) draw_legend(legend, free[[2]] / 2 + (foot - 0.2) / 2)
}

title_height <- function(main, below) {
  (if (nzchar(main)) text_height(1.15) else 0) + (if (length(below)) text_height(0.8) else 0) + if (nzchar(main) || length(below)) 0.2 else 0
}

draw_title <- function(main, below, top) {
  middle <- graphics::par("pin")[[1]] / 2
  if (nzchar(main)) {
    graphics::text(middle, top - text_height(1.15) / 2, main, cex = 1.15, font = 2L, col = ink$text)
    top <- top - text_height(1.15)
  }
  if (length(below)) graphics::text(middle, top - text_height(0.8) / 2, below, cex = 0.8, col = ink$soft)
}

# What the signs mean, in one line around the middle of the page.
draw_legend <- function(statuses, y) {
  words <- vapply(statuses, function(s) look_of(s)$words, "")
  wide <- vapply(words, text_width, 0, cex = letters_of$line) + 0.42
  shrink <- min(1, graphics::par("pin")[[1]] / sum(wide))
  left <- graphics::par("pin")[[1]] / 2 - shrink * sum(wide) / 2 + shrink * c(0, cumsum(wide)[-length(wide)])
  for (i in seq_along(statuses)) {
    draw_sign(look_of(statuses[[i]]), left[[i]] + shrink * 0.1, y, 0.075 * shrink, shrink)
    graphics::text(left[[i]] + shrink * 0.23, y, words[[i]], adj = c(0, 0.5), cex = letters_of$line * shrink, col = ink$soft)
  }
}

# Inches that a text is wide or high.
text_width <- function(text, cex, font = 1L) max(0, graphics::strwidth(text, "inches", cex = cex, font = font))

text_height <- function(cex) 1.25 * cex * graphics::par("cex") * graphics::par("ps") / 72

letters_of <- list(name = 0.95, line = 0.74, label = 0.72)
card_pad <- list(x = 0.13, y = 0.09, sign = 0.1, corner = 0.08, behind = 0.055)

# How large a card is: its face, and the edges of those behind it.
card_size <- function(card) {
  title <- wrapped_name(card$name)
  sign <- if (card$looks == "plain") 0 else 2 * card_pad$sign + 0.07
  wide <- max(text_width(title, letters_of$name, 2L) + sign, text_width(card$lines, letters_of$line)) * 1.04 + 2 * card_pad$x
  # The corners of a switch are cut off.
  if (card$kind == "switch") wide <- wide + 0.16
  high <- length(title) * text_height(letters_of$name) + length(card$lines) * text_height(letters_of$line) + 2 * card_pad$y
  if (length(card$parts) > 1L) high <- high + 0.09
  behind <- if (card$depth) min(card$depth + 1L, 3L) * card_pad$behind else 0
  list(title = title, wide = max(wide, 0.75), high = max(high, 0.4), sign = sign, behind = behind)
}

# Everything that is drawn, with x to the right and y down from the upper left corner.
graph_picture <- function(graph, direction) {
  sizes <- lapply(graph$cards, card_size)
  layers <- graph_layers(names(graph$cards), as.matrix(graph$arrows[c("from", "to")]))
  loops <- graph$arrows[graph$arrows$from == graph$arrows$to, , drop = FALSE]
  arrows <- graph$arrows[graph$arrows$from != graph$arrows$to, , drop = FALSE]
  right <- direction == "right"
  name <- layers$nodes$name
  half <- function(measure, points) vapply(name, function(n) if (is.na(n)) points else sizes[[n]][[measure]] / 2, 0, USE.NAMES = FALSE)
  behind <- vapply(name, function(n) if (is.na(n)) 0 else sizes[[n]]$behind, 0, USE.NAMES = FALSE)
  loop_label <- stats::setNames(loops$label, loops$from)[name]
  loop_room <- ifelse(is.na(loop_label), 0, if (right) 0.3 + text_height(letters_of$label)
    else 0.4 + vapply(loop_label, text_width, 0, cex = letters_of$label))
  across <- half(if (right) "high" else "wide", 0.06)
  # Cards behind stick out upwards and to the right; a loop stands on top, or at the right side.
  before <- across + if (right) pmax(behind, loop_room) else 0
  after <- across + if (right) 0 else pmax(behind, loop_room)
  at <- places_across(layers, before, after, gap = if (right) 0.24 else 0.3)
  along <- places_along(layers, half(if (right) "wide" else "high", 0), behind, arrows, right)
  x <- if (right) along$at else at
  y <- if (right) at else along$at
  boxes <- lapply(which(!is.na(name)), function(i) {
    c(list(card = graph$cards[[name[[i]]]], x = x[[i]], y = y[[i]]), sizes[[name[[i]]]])
  })
  names(boxes) <- name[!is.na(name)]
  links <- lapply(seq_along(layers$links), function(i) {
    link_course(layers$links[[i]], x, y, sizes[name], along$half, layers$nodes$layer, right, arrows[i, ], graph$cards)
  })
  links <- c(links, lapply(seq_len(nrow(loops)), function(i) loop_course(boxes[[loops$from[[i]]]], right, loops[i, ], graph$cards)))
  framed(list(boxes = boxes, links = links, labels = place_labels(links, boxes)))
}

# Adds the upper left corner and the size of everything that is drawn, with a margin for the width of lines.
framed <- function(picture, margin = 0.03) {
  areas <- c(
    lapply(picture$boxes, function(b) c(b$x - b$wide / 2, b$y - b$high / 2 - b$behind, b$x + b$wide / 2 + b$behind, b$y + b$high / 2)),
    lapply(picture$labels, function(l) c(l$x - l$half[[1]], l$y - l$half[[2]], l$x + l$half[[1]], l$y + l$half[[2]])),
    lapply(picture$links, function(l) c(range(l$points[, 1]), range(l$points[, 2]))[c(1, 3, 2, 4)])
  )
  areas <- do.call(rbind, unname(areas))
  corner <- c(min(areas[, 1]), min(areas[, 2])) - margin
  c(picture, list(left = corner[[1]], top = corner[[2]], width = max(areas[, 3]) + margin - corner[[1]], height = max(areas[, 4]) + margin - corner[[2]]))
}

# Where each layer is along, with room between two of them for arrows and their labels.
places_along <- function(layers, half, behind, arrows, right) {
  layer <- layers$nodes$layer
  deep <- tapply(half, layer, max)
  stick <- tapply(behind, layer, max)
  gap <- rep(if (right) 0.42 else 0.36, length(deep))
  for (i in seq_len(nrow(arrows))) {
    if (!nzchar(arrows$label[[i]])) next
    l <- min(layer[utils::head(layers$links[[i]], 2L)])
    gap[[l]] <- max(gap[[l]], if (right) text_width(arrows$label[[i]], letters_of$label) + 0.46 else text_height(letters_of$label) + 0.5)
  }
  lead <- if (right) 0 * stick else stick
  trail <- if (right) stick else 0 * stick
  centre <- cumsum(lead + deep + c(0, (trail + deep + gap)[-length(deep)]))
  list(at = as.numeric(centre[layer]), half = as.numeric(deep)[layer], length = max(centre + deep + trail))
}

# --- arrows --------------------------------------------------------------------------------------

# The points of an arrow: straight past the boxes of a layer, in a curve from one layer to the next.
link_course <- function(rows, x, y, sizes, half, layer, right, arrow, cards) {
  turned <- if (layer[[rows[[1]]]] > layer[[rows[[length(rows)]]]]) -1 else 1
  leave <- function(i) {
    size <- sizes[[i]]
    reach <- if (is.null(size)) half[[i]] else (if (right) size$wide else size$high) / 2
    # It comes out of the front card and not of those behind it.
    if (right) c(x[[i]] + turned * reach, y[[i]]) else c(x[[i]], y[[i]] + turned * reach)
  }
  enter <- function(i) {
    size <- sizes[[i]]
    reach <- if (is.null(size)) half[[i]] else (if (right) size$wide else size$high) / 2
    if (!is.null(size) && !right && turned > 0) reach <- reach + size$behind
    if (right) c(x[[i]] - turned * reach, y[[i]]) else c(x[[i]], y[[i]] - turned * reach)
  }
  points <- matrix(0, 0L, 2L)
  first <- NULL
  for (k in seq_len(length(rows) - 1L)) {
    to <- enter(rows[[k + 1L]])
    # The head of the arrow is straight, so that heads which meet lie on each other.
    stub <- if (k == length(rows) - 1L) (if (right) c(0.13, 0) else c(0, 0.13)) * turned else c(0, 0)
    curve <- rbind(bend(leave(rows[[k]]), to - stub, right), to)
    if (is.null(first)) first <- curve
    points <- rbind(points, curve)
  }
  c(list(points = points, first = first, turned = turned), link_looks(arrow, cards))
}

link_looks <- function(arrow, cards) {
  ran <- function(name) !identical(cards[[name]]$looks, "waiting") && cards[[name]]$kind != "missing"
  list(label = arrow$label, taken = ran(arrow$from) && ran(arrow$to))
}

# A curve that leaves and arrives along the direction of the graph.
bend <- function(from, to, right) {
  t <- seq(0, 1, length.out = 33)
  middle <- (from + to) / 2
  a <- if (right) c(middle[[1]], from[[2]]) else c(from[[1]], middle[[2]])
  b <- if (right) c(middle[[1]], to[[2]]) else c(to[[1]], middle[[2]])
  outer((1 - t)^3, from) + outer(3 * (1 - t)^2 * t, a) + outer(3 * (1 - t) * t^2, b) + outer(t^3, to)
}

# From a box back to itself: over its top, or round its right side.
loop_course <- function(box, right, arrow, cards) {
  t <- seq(0, 1, length.out = 33)
  spread <- (if (right) box$wide else box$high) / 4
  out <- if (right) 0.4 else 0.5
  edge <- if (right) box$y - box$high / 2 else box$x + box$wide / 2
  sides <- cbind((1 - 2 * t) * spread, out * 4 * t * (1 - t) * 0.75)
  points <- if (right) cbind(box$x + sides[, 1], edge - sides[, 2]) else cbind(edge + sides[, 2], box$y - sides[, 1])
  c(list(points = points, first = points, loop = if (right) "above" else "beside"), link_looks(arrow, cards))
}

# Each label stands on its arrow where it is free of the others.
place_labels <- function(links, boxes) {
  taken <- lapply(boxes, function(box) c(box$x - box$wide / 2, box$y - box$high / 2, box$x + box$wide / 2, box$y + box$high / 2))
  labels <- list()
  for (link in links) {
    if (!nzchar(link$label)) next
    half <- c(text_width(link$label, letters_of$label) * 1.04 / 2 + 0.03, text_height(letters_of$label) / 2)
    spots <- if (is.null(link$loop)) c(0.5, 0.62, 0.38, 0.72, 0.3, 0.8) else 0.5
    for (spot in spots) {
      centre <- link$first[round(1 + spot * 32), ]
      if (identical(link$loop, "above")) centre <- centre - c(0, half[[2]] + 0.02)
      if (identical(link$loop, "beside")) centre <- centre + c(half[[1]] + 0.04, 0)
      area <- c(centre - half, centre + half)
      if (!any(vapply(taken, overlaps, NA, area))) break
    }
    taken <- c(taken, list(area))
    labels <- c(labels, list(list(text = link$label, x = centre[[1]], y = centre[[2]], half = half, taken = link$taken)))
  }
  labels
}

overlaps <- function(a, b) a[[1]] < b[[3]] && b[[1]] < a[[3]] && a[[2]] < b[[4]] && b[[2]] < a[[4]]

draw_link <- function(link, place, scale) {
  at <- place(link$points[, 1], link$points[, 2])
  n <- length(at$x)
  colour <- if (link$taken) ink$line else ink$faint
  tip <- c(at$x[[n]], at$y[[n]])
  # The direction at the end, from a point that is not too near.
  distance <- sqrt((at$x - tip[[1]])^2 + (at$y - tip[[2]])^2)
  back <- max(1L, utils::tail(which(distance > 0.1 * scale), 1L))
  angle <- atan2(tip[[2]] - at$y[[back]], tip[[1]] - at$x[[back]])
  long <- 0.11 * scale
  base <- tip - long * c(cos(angle), sin(angle))
  keep <- distance > long | seq_len(n) < n / 2
  graphics::lines(c(at$x[keep], base[[1]]), c(at$y[keep], base[[2]]), col = colour, lwd = 1.5 * scale, lty = if (link$taken) 1 else 2)
  side <- 0.4 * long * c(-sin(angle), cos(angle))
  graphics::polygon(c(tip[[1]], base[[1]] + side[[1]], base[[1]] - side[[1]]), c(tip[[2]], base[[2]] + side[[2]], base[[2]] - side[[2]]),
    col = colour, border = NA)
}

draw_label <- function(label, place, scale) {
  low <- place(label$x - label$half[[1]], label$y + label$half[[2]])
  high <- place(label$x + label$half[[1]], label$y - label$half[[2]])
  graphics::rect(low$x, low$y, high$x, high$y, col = paper_colour(), border = NA)
  at <- place(label$x, label$y)
  graphics::text(at$x, at$y, label$text, cex = letters_of$label * scale, font = 3L, col = ink$soft)
}

# What lies under the picture, so that a label can stand on its arrow.
paper_colour <- function() {
  bg <- graphics::par("bg")
  if (bg %in% c("transparent", "NA")) "white" else bg
}

# --- cards ---------------------------------------------------------------------------------------

draw_card <- function(box, place, scale) {
  card <- box$card
  look <- look_of(card$looks)
  for (k in rev(seq(0L, round(box$behind / card_pad$behind)))) {
    shift <- k * card_pad$behind
    at <- place(box$x + shift, box$y - shift)
    fill <- if (card$looks == "plain" && card$kind %in% c("start", "end")) "#EDEFF2" else look$light
    draw_face(at, box$wide * scale, box$high * scale, card$kind, scale, fill, look$strong, dashed = card$kind == "missing" || card$looks == "waiting",
      strong = card$looks == "failed")
  }
  draw_words(box, look, place, scale)
}

draw_face <- function(at, wide, high, kind, scale, fill, edge, dashed, strong) {
  corner <- switch(kind, start = , end = high / 2, card_pad$corner * scale)
  shape <- if (kind == "switch") cut_corners(wide, high, min(high / 2, 0.16 * scale)) else round_corners(wide, high, corner)
  graphics::polygon(at$x + shape$x, at$y + shape$y, col = fill, border = edge, lwd = (if (strong) 2.4 else 1.3) * scale, lty = if (dashed) 2 else 1)
}

round_corners <- function(wide, high, r) {
  r <- min(r, high / 2, wide / 2)
  turn <- seq(0, pi / 2, length.out = 9)
  quarter <- function(sx, sy, angle) list(x = sx * (wide / 2 - r) + r * cos(turn + angle), y = sy * (high / 2 - r) + r * sin(turn + angle))
  parts <- list(quarter(1, 1, 0), quarter(-1, 1, pi / 2), quarter(-1, -1, pi), quarter(1, -1, 1.5 * pi))
  list(x = unlist(lapply(parts, `[[`, "x")), y = unlist(lapply(parts, `[[`, "y")))
}

cut_corners <- function(wide, high, cut) {
  list(
    x = c(-wide / 2, -wide / 2 + cut, wide / 2 - cut, wide / 2, wide / 2 - cut, -wide / 2 + cut),
    y = c(0, high / 2, high / 2, 0, -high / 2, -high / 2)
  )
}

draw_words <- function(box, look, place, scale) {
  card <- box$card
  heights <- c(rep(text_height(letters_of$name), length(box$title)), rep(text_height(letters_of$line), length(card$lines)))
  top <- box$y - sum(heights) / 2 - if (length(card$parts) > 1L) 0.045 else 0
  middle <- top + cumsum(heights) - heights / 2
  wide <- text_width(box$title, letters_of$name, 2L)
  for (i in seq_along(heights)) {
    is_title <- i <= length(box$title)
    at <- place(box$x + if (is_title) box$sign / 2 else 0, middle[[i]])
    graphics::text(at$x, at$y, c(box$title, card$lines)[[i]], cex = scale * if (is_title) letters_of$name else letters_of$line,
      font = if (is_title) 2L else 1L, col = if (is_title) ink$text else ink$soft)
  }
  if (box$sign) {
    at <- place(box$x - wide / 2 - 0.035, middle[[1]] + (length(box$title) - 1) * heights[[1]] / 2)
    draw_sign(look, at$x, at$y, card_pad$sign * 0.95 * scale, scale)
  }
  if (length(card$parts) > 1L) draw_parts(box, place, scale)
}

# A bar at the foot of a card: how its tasks stand.
draw_parts <- function(box, place, scale) {
  parts <- box$card$parts / sum(box$card$parts)
  left <- box$x - box$wide / 2 + card_pad$x
  edges <- left + (box$wide - 2 * card_pad$x) * cumsum(c(0, parts))
  foot <- box$y + box$high / 2 - 0.05
  for (i in seq_along(parts)) {
    low <- place(edges[[i]], foot)
    high <- place(edges[[i + 1L]], foot - 0.05)
    graphics::rect(low$x, low$y, high$x, high$y, col = look_of(names(parts)[[i]])$strong, border = look_of(box$card$looks)$light, lwd = 0.8 * scale)
  }
}
