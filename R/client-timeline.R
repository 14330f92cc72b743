# The time line of a run, as plot(run, type = "timeline") draws it: steps from top to bottom, each with as many lanes as
# tasks of it ran side by side, so that a step of a thousand tasks on four workers has four.

draw_timeline <- function(table, main) {
  run <- attr(table, "run")
  bars <- attr(table, "bars")
  bars <- bars[bars$status != "cloned", ]
  page <- graphics::par("pin")
  title <- title_height(main, " ")
  if (!nrow(bars)) {
    draw_title(main, run_line(table), page[[2]])
    graphics::text(page[[1]] / 2, (page[[2]] - title) / 2, "Nothing has run yet.", col = ink$soft)
    return(invisible())
  }
  span <- bars_span(bars, run)
  names_wide <- min(max(text_width(unlist(lapply(table$step, wrapped_name, room = 24L)), letters_of$line + 0.08)), page[[1]] / 3)
  statuses <- intersect(names(status_looks), bars$status)
  foot <- 0.42 + text_height(letters_of$line)
  room <- page[[2]] - title - foot
  rows <- timeline_rows(table, bars, room)
  last <- rows[[length(rows)]]
  # What is lower than the page stands in its middle.
  lift <- max(0, room - last$top - last$high - last$pad) / 2
  draw_title(main, run_line(table), page[[2]] - lift)
  frame <- list(left = names_wide + 0.2, right = page[[1]] - 0.15, top = page[[2]] - title - lift, bottom = foot + lift, span = span)
  draw_time_axis(frame)
  for (row in rows) draw_timeline_row(row, frame, names_wide)
  draw_legend(statuses, 0.09 + lift)
  invisible()
}

# Which lane each bar is in: the first that is free at its start.
bar_lanes <- function(bars, until) {
  free_at <- numeric()
  lane <- integer(nrow(bars))
  for (i in order(bars$started, bars$finished)) {
    free <- which(free_at <= bars$started[[i]] + 1e-6)
    lane[[i]] <- if (length(free)) free[[1]] else length(free_at) + 1L
    free_at[[lane[[i]]]] <- if (is.na(bars$finished[[i]])) until else bars$finished[[i]]
  }
  lane
}

# list(step, note, bars with their lane, top, high, lanes) of each step; heights in inches.
timeline_rows <- function(table, bars, room) {
  until <- max(bars$finished, bars$started, na.rm = TRUE)
  rows <- lapply(seq_len(nrow(table)), function(i) {
    own <- bars[bars$step == table$step[[i]], ]
    own$lane <- bar_lanes(own, until)
    list(step = table$step[[i]], row = table[i, ], bars = own, lanes = max(1L, own$lane))
  })
  # A lane is as high as there is room for, at most a third of an inch; a row is never lower than its name.
  lanes <- vapply(rows, function(row) row$lanes, 0L)
  lines <- vapply(rows, function(row) length(wrapped_name(row$step, 24L)), 0L)
  pad <- min(0.12, room / length(rows) / 6)
  least <- pmin(lines * text_height(letters_of$line), 0.9 * room / length(rows) - pad)
  high <- pmax(least, lanes * 0.34)
  spare <- room - length(rows) * pad
  if (sum(high) > spare) {
    over <- high - least
    high <- if (sum(least) < spare && sum(over) > 0) least + over * (spare - sum(least)) / sum(over) else high * spare / sum(high)
  }
  top <- cumsum(c(0, (high + pad)[-length(high)]))
  Map(function(row, high, top) c(row, list(high = high, top = top, pad = pad)), rows, high, top)
}

at_time <- function(time, frame) frame$left + (time - frame$span[[1]]) / diff(frame$span) * (frame$right - frame$left)

draw_time_axis <- function(frame) {
  total <- diff(frame$span)
  unit <- if (total < 120) list(1, "s") else if (total < 7200) list(60, "min") else list(3600, "h")
  ticks <- pretty(c(0, total / unit[[1]]), n = 6)
  ticks <- ticks[ticks <= total / unit[[1]] * 1.0001]
  x <- at_time(frame$span[[1]] + ticks * unit[[1]], frame)
  graphics::segments(x, frame$bottom - 0.04, x, frame$top, col = "#E3E6EA", lwd = 0.9)
  graphics::segments(frame$left, frame$bottom - 0.04, frame$right, frame$bottom - 0.04, col = ink$faint)
  labels <- paste(format(ticks, trim = TRUE, drop0trailing = TRUE), unit[[2]])
  graphics::text(x, frame$bottom - 0.07 - text_height(letters_of$line) / 2, labels, cex = letters_of$line, col = ink$soft)
}

draw_timeline_row <- function(row, frame, names_wide) {
  top <- frame$top - row$top
  middle <- top - row$high / 2
  title <- wrapped_name(row$step, 24L)
  cex <- (letters_of$line + 0.08) * min(1, names_wide / text_width(title, letters_of$line + 0.08), (row$high + row$pad) / length(title) / text_height(letters_of$line))
  graphics::text(frame$left - 0.1, middle - (seq_along(title) - (length(title) + 1) / 2) * text_height(cex), title, adj = c(1, 0.5), cex = cex, col = ink$text)
  lane_high <- row$high / row$lanes
  for (i in seq_len(nrow(row$bars))) draw_bar(row$bars[i, ], top, lane_high, frame)
  note <- timeline_note(row)
  if (length(note)) {
    # Beside the bars, on the side where there is room.
    ends <- if (nrow(row$bars)) range(at_time(c(row$bars$started, row$bars$finished), frame), na.rm = TRUE) else c(frame$left, frame$left)
    wide <- text_width(note, letters_of$label) + 0.1
    right <- ends[[2]] + wide < frame$right
    if (right || ends[[1]] - wide > frame$left) {
      graphics::text(if (right) ends[[2]] + 0.07 else ends[[1]] - 0.07, middle, note, adj = c(if (right) 0 else 1, 0.5), cex = letters_of$label * min(1, cex), font = 3L, col = ink$soft)
    }
  }
}

draw_bar <- function(bar, top, lane_high, frame) {
  look <- look_of(bar$status)
  left <- at_time(bar$started, frame)
  right <- if (is.na(bar$finished)) frame$right else at_time(bar$finished, frame)
  # One that is too short to be seen is drawn as wide as a line.
  right <- max(right, left + 0.025)
  y <- top - (bar$lane - 0.5) * lane_high
  half <- lane_high * 0.42
  graphics::rect(left, y - half, right, y + half, col = if (bar$status == "done") "#8FCBB8" else look$light, border = look$strong, lwd = 0.9)
  if (bar$status != "done" && right - left > 0.2 && half > 0.06) draw_sign(look, left + 0.1, y, min(0.075, half * 0.8), 0.7)
}

timeline_note <- function(row) {
  at <- row$row
  if (!nrow(row$bars)) return(if (at$cloned > 0L) paste(count_of(at$cloned, "task"), "taken over") else at$status)
  c(paste(c(
    if (at$tasks > 1L) count_of(at$tasks, "task"), if (at$cloned > 0L) paste(at$cloned, "taken over"),
    if (!is.na(at$seconds)) format_seconds(at$seconds)
  ), collapse = ", "))
}
