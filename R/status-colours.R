# How the status of a task is shown in a picture: a sign, a strong colour for it, and a light one of the same hue for
# the card, dark text on which is easy to read. The colours are those of Okabe and Ito, which the colour-blind can
# tell apart; the signs are drawn, not written, so that every device has them and a copy in black and white says the same.

status_looks <- list(
  plain = list(strong = "#5B6470", light = "#FFFFFF", sign = "none", words = ""),
  done = list(strong = "#007A5A", light = "#DDF1EA", sign = "tick", words = "done"),
  cloned = list(strong = "#0072B2", light = "#DCEBF5", sign = "taken", words = "taken over"),
  running = list(strong = "#2F8FC4", light = "#E6F4FC", sign = "play", words = "running"),
  retrying = list(strong = "#B87F00", light = "#FBF0D9", sign = "again", words = "tried again"),
  caught = list(strong = "#B87F00", light = "#FBF0D9", sign = "mark", words = "failed, caught"),
  failed = list(strong = "#C24A00", light = "#F9DFD1", sign = "cross", words = "failed"),
  lost = list(strong = "#9B4F80", light = "#F3E2EC", sign = "question", words = "lost"),
  interrupted = list(strong = "#9B4F80", light = "#F3E2EC", sign = "pause", words = "interrupted"),
  waiting = list(strong = "#8A929C", light = "#F6F7F8", sign = "none", words = "not run")
)

look_of <- function(status) status_looks[[if (is.null(status) || is.na(status)) "waiting" else status]] %||% status_looks$plain

ink <- list(text = "#1B1F24", soft = "#4A525C", line = "#6B7480", faint = "#C3C9D0")

# A disc with the sign of a status on it, around (x, y); `r` in user units, which must be of one size both ways.
draw_sign <- function(look, x, y, r, width = 1) {
  if (look$sign == "none") {
    graphics::symbols(x, y, circles = r * 0.85, inches = FALSE, add = TRUE, fg = look$strong, bg = "white", lwd = 1.2 * width, lty = 3)
    return(invisible())
  }
  graphics::symbols(x, y, circles = r, inches = FALSE, add = TRUE, fg = look$strong, bg = look$strong)
  stroke <- function(xs, ys) graphics::lines(x + r * xs, y + r * ys, col = "white", lwd = 2 * width, lend = 0)
  filled <- function(xs, ys) graphics::polygon(x + r * xs, y + r * ys, col = "white", border = NA)
  switch(look$sign,
    tick = stroke(c(-0.45, -0.12, 0.48), c(0, -0.36, 0.36)),
    cross = {
      stroke(c(-0.38, 0.38), c(-0.38, 0.38))
      stroke(c(-0.38, 0.38), c(0.38, -0.38))
    },
    play = filled(c(-0.3, -0.3, 0.52), c(-0.48, 0.48, 0)),
    pause = {
      stroke(c(-0.22, -0.22), c(-0.4, 0.4))
      stroke(c(0.22, 0.22), c(-0.4, 0.4))
    },
    taken = {
      stroke(c(-0.42, -0.02, -0.42), c(0.38, 0, -0.38))
      stroke(c(0.06, 0.46, 0.06), c(0.38, 0, -0.38))
    },
    again = {
      turn <- seq(0.35, 1.75, length.out = 20) * pi
      stroke(0.42 * sin(turn), 0.42 * cos(turn))
      filled(c(-0.62, -0.1, -0.36), c(0.3, 0.3, 0.66))
    },
    mark = {
      stroke(c(0, 0), c(0.5, -0.08))
      stroke(c(0, 0), c(-0.42, -0.5))
    },
    question = {
      turn <- seq(-0.5, 0.75, length.out = 20) * pi
      stroke(c(0.26 * sin(turn), 0, 0), c(0.24 + 0.26 * cos(turn), 0, -0.14))
      stroke(c(0, 0), c(-0.46, -0.54))
    }
  )
}
