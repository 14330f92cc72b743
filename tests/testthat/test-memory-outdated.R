# What is asked before a run is what the run does then.

test_that("outdated steps are told with the reason", {
  folder <- local_flow_folder()
  script <- '
    library(metaflow)
    options(metaflow.command_line = FALSE, width = 100)
    scale <- 2
    work <- function(x) x * scale
    flow <- metaflow("GridFlow") %>%
      parameter("upto", default = 3L) %>%
      step(step = "start", decorator("cache"), foreach = "grid", next_step = "fit", r_function = function(self) self$grid <- seq_len(self$upto)) %>%
      step(step = "fit", decorator("cache"), next_step = "join", r_function = function(self) self$y <- work(self$input)) %>%
      step(step = "join", decorator("cache"), join = TRUE, next_step = "end", r_function = function(self, inputs) gather_inputs(inputs, "y")) %>%
      step(step = "end")
    mf_outdated(flow)
    invisible(run(flow))
    cat("--\\n")
    mf_outdated(flow)
    mf_outdated(flow, upto = 7L)
    work <- function(x) x * scale + 1
    later <- mf_outdated(flow)
    later
    stopifnot(identical(later$status, c("current", "outdated", "unknown", "unknown")), identical(later$current, c(1L, 0L, NA, NA)))
    mf_outdated(flow, cache = FALSE)
  '
  write_flow(folder, script)
  lines <- grep("GridFlow|1/(start|fit|join|end)/", run_flow_well(folder)$lines, value = TRUE, invert = TRUE)
  expect_snapshot(put_lines(steady(lines)))
})

test_that("wrong words are refused before anything runs", {
  flow <- metaflow("F") %>% step(step = "start", decorator("cache", expire = "soon"), next_step = "end") %>% step(step = "end")
  local_flow_folder()
  expect_error(mf_outdated(flow), "expire.*must be a duration", class = "metaflow_invalid_flow_error")
  expect_error(run(flow, cache = "yes"), class = "metaflow_usage_error")
  expect_error(mf_outdated(flow, beta = 1), class = "metaflow_usage_error")
})
