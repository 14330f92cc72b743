test_that("the pipe is exported and is magrittr's", {
  expect_identical(metaflow::`%>%`, magrittr::`%>%`)
})

test_that("functions that are written in a pipe leave the flow that came through it behind", {
  here <- environment()
  flow <- metaflow("F") %>%
    step(step = "start", r_function = function(self) self$x <- 1, next_step = "end") %>%
    include_file("words", parser = function(path) readLines(path)) %>%
    step(step = "end", r_function = function(self) print(self$x)) %>%
    on_success(function(run) print(run))
  functions <- list(flow$steps$start$r_function, flow$steps$end$r_function, flow$parameters$words$parser, flow$exit_hooks[[1]]$fn)
  for (f in functions) expect_identical(environment(f), here)
})

test_that("a function keeps the environment that it was made in", {
  made_in <- function(n) {
    list(f = function(self) self$x <- n, home = environment())
  }
  made <- made_in(3)
  flow <- metaflow("F") %>% step(step = "start", r_function = made$f)
  expect_identical(environment(flow$steps$start$r_function), made$home)
  expect_identical((metaflow("F") %>% step(step = "start", r_function = sum))$steps$start$r_function, sum)
  # What looks like a pipe's environment but has no flow in it.
  other <- local({
    . <- 1
    function(self) .
  })
  expect_identical(environment(out_of_pipe(other)), environment(other))
})

test_that("the code of a run grows with its steps, not with their square", {
  size <- function(n) {
    flow <- metaflow("F")
    for (i in seq_len(n)) flow <- flow %>% step(step = paste0("s", i), r_function = function(self) self$x <- 1, next_step = "end")
    length(to_bytes(capture_code(flow)))
  }
  expect_lt(size(80), 3 * size(40))
})
