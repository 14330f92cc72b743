# What is compared is tested with a scripted worker in tests/python/test_engine_memory.py; here it is R that notes what
# tasks look at, on all the ways there are.

# Runs of one script, each after a change of the workspace. `step` is memoised; returns which runs ran it.
caching_script <- function(body, changes, before = "", parameters = "") {
  runs <- vapply(changes, function(change) sprintf("%s\nrun(flow)", change), "")
  paste(c(
    "options(metaflow.command_line = FALSE)", before,
    sprintf('flow <- metaflow("MemoFlow") %%>%%
      parameter("alpha", default = 1) %%>%%
      step(step = "start", next_step = "work", r_function = function(self) { self$x <- 1:3; self$fresh <- Sys.time() }) %%>%%
      step(step = "work", decorator("cache"), next_step = "end", r_function = function(self) { %s }) %%>%%
      step(step = "end")', body),
    "run(flow)", runs
  ), collapse = "\n")
}

# TRUE for each change after which the step was run again.
ran_again <- function(body, ..., before = "") {
  folder <- local_flow_folder()
  write_flow(folder, caching_script(body, c(...), before))
  run_flow_well(folder)
  runs <- seq_along(c(...)) + 1L
  vapply(runs, function(id) !isTRUE(mf_why(sprintf("MemoFlow/%d/work/2", id))$taken_over), FALSE)
}

test_that("functions and data count when they are used, on whatever way they are found", {
  before <- '
    k <- 1
    direct <- function() {
      k
    }
    by_name <- function() 1
    method <- function(x) UseMethod("method")
    method.thing <- function(x) 1
    `%+%` <- function(a, b) paste(a, b)
    in_parallel <- function(i) 1
    unused <- function() 1
  '
  again <- ran_again(before = before, '
      self$a <- direct()
      self$b <- do.call(paste0("by_", "name"), list())
      self$c <- method(structure(1, class = "thing"))
      self$d <- "a" %+% "b"
      self$e <- parallel::mclapply(1:2, function(i) get("in_parallel")(i), mc.cores = 2)
      self$f <- length(self$x)',
    "", # nothing
    "unused <- function() 2",
    "direct <- function() {\n  # a comment\n  k\n}",
    "k <- 2",
    "by_name <- function() 2",
    "method.thing <- function(x) 2",
    "`%+%` <- function(a, b) paste0(a, b)",
    "in_parallel <- function(i) 2"
  )
  # Two processes of the step note the same at the same time.
  expect_identical(again, c(FALSE, FALSE, FALSE, TRUE, TRUE, TRUE, TRUE, TRUE))
})

test_that("what a task asks of itself counts, and what no other can have", {
  folder <- local_flow_folder()
  write_flow(folder, '
    options(metaflow.command_line = FALSE)
    again <- function(name, f) {
      flow <- metaflow(name) %>%
        step(step = "start", next_step = "work", r_function = function(self) self$x <- 1) %>%
        step(step = "work", decorator("cache"), next_step = "end", r_function = f) %>%
        step(step = "end")
      run(flow)
      run(flow, tag = "other")
    }
    again("NamesFlow", function(self) names(self))
    again("DrawFlow", function(self) self$drawn <- runif(1))
    again("SeedFlow", function(self) self$s <- current("seed"))
    again("RunIdFlow", function(self) current("run_id"))
    again("TagFlow", function(self) self$t <- current("tags"))
    again("ClientFlow", function(self) self$n <- mf_client()$flow("DrawFlow")$latest_run$id)
    again("GraceFlow", function(self) tryCatch(self$none, error = function(e) 1))
  ')
  run_flow_well(folder)
  why <- function(flow, run = 2) mf_why(sprintf("%s/%d/work/2", flow, run))
  taken <- vapply(list_flows(), function(flow) why(flow$id)$taken_over, FALSE)
  expect_identical(taken[order(names(taken))], c(
    ClientFlow = FALSE, DrawFlow = TRUE, GraceFlow = TRUE, NamesFlow = TRUE, RunIdFlow = FALSE, SeedFlow = TRUE, TagFlow = FALSE
  ))
  drawn <- function(run) run_client$new("DrawFlow", run)$data$drawn
  expect_identical(drawn(1), drawn(2))
  expect_match(why("ClientFlow")$forgotten, "through the client")
  expect_match(why("RunIdFlow")$forgotten, "run_id")
  expect_identical(why("TagFlow")$differs, list(inputs = 'current("tags")'))
})

test_that("decorators of the user's own count as code, and what they look at is noted", {
  folder <- local_flow_folder()
  write_flow(folder, '
    options(metaflow.command_line = FALSE)
    factor <- 1
    scaled <- function() step_decorator("scaled", after = function(ctx) ctx$self$y <- ctx$self$x * factor)
    curious <- step_decorator("curious", before = function(ctx) ctx$self$id <- ctx$current$run_id)
    flow <- function(...) metaflow("OwnFlow") %>%
      step(step = "start", ..., decorator("cache"), next_step = "end", r_function = function(self) self$x <- 2) %>%
      step(step = "end")
    run(flow(scaled()()))
    run(flow(scaled()()))
    factor <- 3
    run(flow(scaled()()))
    run(flow(curious()))
    run(flow(curious()))
  ')
  run_flow_well(folder)
  taken <- vapply(1:5, function(run) mf_why(sprintf("OwnFlow/%d/start/1", run))$taken_over, FALSE)
  expect_identical(taken, c(FALSE, TRUE, FALSE, FALSE, FALSE))
  expect_identical(new_run("OwnFlow/3")$data$y, 6)
  expect_match(mf_why("OwnFlow/5/start/1")$forgotten, "ctx\\$current")
})
