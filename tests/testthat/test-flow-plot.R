local_null_device <- function(env = parent.frame()) {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off(), envir = env)
}

nested_flow <- function() {
  metaflow("NestedFlow") %>%
    step(step = "start", next_step = c("a", "b")) %>%
    step(step = "a", foreach = "xs", next_step = "each") %>%
    step(step = "each", next_step = "collect") %>%
    step(step = "collect", join = TRUE, next_step = "join") %>%
    step(step = "b", next_step = "join") %>%
    step(step = "join", join = TRUE, next_step = "end") %>%
    step(step = "end")
}

test_that("plot() draws a flow and returns it, in a pipe too", {
  local_null_device()
  flow <- nested_flow()
  expect_identical(flow %>% plot(), flow)
  expect_silent(plot(metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end")))
  expect_silent(plot(metaflow("OneStep") %>% step(step = "start")))
})

test_that("plot() leaves the user's graphical parameters as they were", {
  local_null_device()
  before <- graphics::par("mar")
  plot(nested_flow())
  expect_identical(graphics::par("mar"), before)
})

test_that("it is drawn by vector and pixel devices, large and small, and beside other plots", {
  folder <- withr::local_tempdir()
  file <- function(name) file.path(folder, name)
  grDevices::pdf(file("a.pdf"), 3, 2)
  graphics::par(mfrow = c(1, 2))
  plot(nested_flow())
  plot(nested_flow(), direction = "down", main = "")
  grDevices::dev.off()
  if (capabilities("png")) {
    grDevices::png(file("a.png"), 900, 500)
    plot(nested_flow())
    grDevices::dev.off()
    expect_gt(file.size(file("a.png")), 5000)
  }
  pdf <- readLines(file("a.pdf"), warn = FALSE)
  expect_identical(sum(grepl("/Type /Page ", pdf, fixed = TRUE, useBytes = TRUE)), 1L)
})

test_that("an unfinished or wrong flow can be drawn, too, as far as it goes", {
  local_null_device()
  circle <- metaflow("F") %>% step(step = "start", next_step = "a") %>% step(step = "a", next_step = "start")
  itself <- metaflow("F") %>%
    step(step = "start", next_step = "again") %>%
    step(step = "again", next_step = list(more = "again", done = "end"), condition = "what") %>%
    step(step = "end")
  expect_silent(plot(circle))
  expect_silent(plot(itself))
  expect_silent(plot(metaflow("F") %>% step(step = "start", next_step = "nowhere")))
  expect_snapshot(error = TRUE, plot(metaflow("F")))
  expect_snapshot(error = TRUE, plot(circle, direction = "rigth"))
})
