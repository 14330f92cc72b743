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

test_that("the layers of a layout follow the longest way from the start", {
  layout <- graph_layout(nested_flow()$steps)
  x <- setNames(layout$boxes$x, layout$boxes$name)
  expect_equal(x[c("start", "a", "b", "each", "collect", "join", "end")], c(start = 0, a = 1, b = 1, each = 2, collect = 3, join = 4, end = 5))
  expect_identical(layout$boxes$name[layout$boxes$stacked], "each")
  expect_identical(layout$boxes$name[layout$boxes$join], c("collect", "join"))
  expect_false(any(duplicated(layout$boxes[c("x", "y")])))
  expect_equal(nrow(layout$arrows), 7)
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
})
