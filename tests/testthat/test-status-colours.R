# Lightness as the eye sees it, 0 to 1 (relative luminance, WCAG 2).
luminance <- function(colour) {
  part <- grDevices::col2rgb(colour)[, 1] / 255
  part <- ifelse(part <= 0.03928, part / 12.92, ((part + 0.055) / 1.055)^2.4)
  sum(part * c(0.2126, 0.7152, 0.0722))
}

contrast <- function(a, b) {
  lights <- sort(c(luminance(a), luminance(b)))
  (lights[[2]] + 0.05) / (lights[[1]] + 0.05)
}

test_that("words on a card are dark enough to read, signs strong enough to see", {
  for (look in status_looks) {
    expect_gt(contrast(ink$text, look$light), 10)
    expect_gt(contrast(ink$soft, look$light), 4.5)
    expect_gt(contrast(look$strong, "white"), 3)
  }
})

test_that("each status that a task can have has a look, and those of one colour have different signs", {
  statuses <- c("running", "retrying", "lost", "interrupted", "failed", "caught", "done", "cloned")
  expect_identical(setdiff(statuses, names(status_looks)), character())
  kinds <- vapply(status_looks[statuses], function(look) paste(look$strong, look$sign), "")
  expect_false(any(duplicated(kinds)))
  expect_identical(look_of(NA), status_looks$waiting)
})

test_that("every sign can be drawn", {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graphics::plot.new()
  graphics::plot.window(0:1, 0:1, asp = 1)
  for (look in status_looks) expect_silent(draw_sign(look, 0.5, 0.5, 0.1))
})
