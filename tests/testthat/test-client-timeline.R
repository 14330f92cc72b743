test_that("each bar is in the first lane that is free at its start", {
  bars <- data.frame(started = c(0, 0, 1, 2, 5), finished = c(2, 1, 5, NA, 6))
  expect_identical(bar_lanes(bars, until = 6), c(2L, 1L, 1L, 2L, 1L))
  expect_identical(bar_lanes(bars[0, ], until = 6), integer())
})

test_that("rows fit the page, however many steps and lanes there are, and do not overlap", {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graphics::plot.new()
  steps <- paste0("step_", 1:40)
  table <- data.frame(step = steps)
  bars <- data.frame(step = rep(steps[1:2], c(30, 1)), started = 0, finished = 1)
  for (room in c(2, 6, 40)) {
    rows <- timeline_rows(table, bars, room)
    ends <- vapply(rows, function(row) row$top + row$high, 0)
    expect_true(all(vapply(rows[-1], function(row) row$top, 0) >= ends[-40]))
    expect_lte(max(ends), room)
    expect_identical(rows[[1]]$lanes, 30L)
  }
})
