local_decorators <- function(env = parent.frame()) {
  before <- the$user_decorators
  withr::defer(the$user_decorators <- before, envir = env)
}

test_that("a decorator of the user's is found by its name, and has its arguments checked", {
  local_decorators()
  audit <- step_decorator("audit", before = function(ctx) NULL, args = list(level = "info", n = 1))
  expect_identical(decorator("audit", level = "debug"), audit(level = "debug"))
  expect_output(print(audit(level = "debug")), "<decorator> audit(level = \"debug\")", fixed = TRUE)
  flow <- metaflow("F") %>%
    step(audit(n = 2), retry(times = 1), step = "start", next_step = "end") %>%
    step(step = "end")
  expect_identical(captured_decorators(flow)$start[[1]]$args, list(level = "info", n = 2))
  expect_identical(names(captured_decorators(flow)), "start")
  expect_identical(flow_spec(flow)$steps[[1]]$decorators[[1]], list(name = "audit", args = list(n = 2), user = TRUE))
  # A flow keeps the decorator as it was.
  step_decorator("audit", after = function(ctx) NULL)
  expect_null(captured_decorators(flow)$start[[1]]$after)
  expect_output(print(flow), "audit(n = 2)", fixed = TRUE)
  expect_match(graph_text(flow), "audit, retry")
})

test_that("mistakes are told at once", {
  local_decorators()
  step_decorator("audit", before = function(ctx) NULL, args = list(level = "info"))
  expect_snapshot(error = TRUE, {
    step_decorator()
    step_decorator("a b", before = function(ctx) NULL)
    step_decorator("retry", before = function(ctx) NULL)
    step_decorator("idle")
    step_decorator("wrong", before = "x")
    step_decorator("wrong", before = function(ctx, step) NULL)
    step_decorator("wrong", before = function(ctx) NULL, args = list(3))
    decorator("audit", levle = "debug")
    metaflow("F", decorator("audit"))
  })
})

test_that("decorators enclose the step and each other, see what it sees, and leave its random numbers alone", {
  folder <- local_flow_folder()
  write_flow(folder, '
    shout <- function(...) cat(toupper(paste0(...)), "\\n", sep = "")
    step_decorator("outer", args = list(word = "hm"),
      before = function(ctx) { ctx$began <- 1; stats::runif(3); ctx$self$given <- 10; shout("before ", ctx$args$word) },
      after = function(ctx) { ctx$self$y <- ctx$self$x + ctx$began; shout("after ", ctx$step, ctx$attempt) },
      on_error = function(ctx) shout("outer saw ", conditionMessage(ctx$error))
    )
    inner <- step_decorator("inner",
      before = function() shout("inner before"),
      after = function(ctx) if (file.exists("spoil")) stop("spoiled") else shout("inner after"),
      on_error = function(ctx) stop("on_error itself")
    )
    metaflow("DecoratedFlow") %>%
      step(decorator("outer", word = "so"), inner(), step = "start", next_step = c("a", "b"), r_function = function(self) {
        self$x <- self$given + 1
        self$r <- runif(1)
        shout("the step")
      }) %>%
      step(decorator("outer"), step = "a", next_step = "join", r_function = function(self) if (file.exists("fail")) stop("a broke")) %>%
      step(step = "b", next_step = "join", r_function = function(self) self$r <- runif(1)) %>%
      step(decorator("outer"), step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        merge_artifacts(self, inputs, include = "x")
      }) %>%
      step(decorator("inner"), step = "end") %>%
      run()
  ')
  done <- run_flow_well(folder, "run", "--seed", "1")
  said <- function(done, step) sub("^.*\\] ", "", grep(paste0("/", step, "/"), done$lines, value = TRUE))
  expect_identical(said(done, "start")[1:5], c("BEFORE SO", "INNER BEFORE", "THE STEP", "INNER AFTER", "AFTER START0"))
  # A step without a function has its decorators, too.
  expect_identical(said(done, "end")[1:2], c("INNER BEFORE", "INNER AFTER"))
  run <- flow_client$new("DecoratedFlow")$latest_run
  expect_identical(run$artifact("y"), 12)
  file.create("fail")
  failed <- run_flow(folder, "run", "--seed", "1")
  expect_identical(failed$status, 1L)
  expect_true("OUTER SAW A BROKE" %in% said(failed, "a"))
  expect_identical(flow_client$new("DecoratedFlow")$latest_run$steps$start$a_task$artifact("r"), run$steps$start$a_task$artifact("r"))
  unlink("fail")
  file.create("spoil")
  spoiled <- run_flow(folder, "run")
  expect_identical(spoiled$status, 1L)
  start <- said(spoiled, "start")
  expect_true(any(grepl("^Warning: on_error of decorator 'inner' failed", start)))
  expect_true("OUTER SAW SPOILED" %in% start)
  expect_true(any(grepl("flow.R:11: stop(\"spoiled\")", start, fixed = TRUE)))
  expect_match(run_flow_well(folder, "show")$stdout, "outer, inner")
})

test_that("--with puts a decorator of the user's on every step", {
  local_decorators()
  folder <- local_flow_folder()
  step_decorator("count", after = function(ctx) cat(paste0(ctx$step, "\n"), file = "counted", append = TRUE), args = list(by = 1))
  flow <- metaflow("F") %>%
    step(step = "start", next_step = "end") %>%
    step(decorator("count", by = 2), step = "end")
  utils::capture.output(run(flow, with = list("count:by=3", retry(times = 1))))
  expect_identical(trimws(readLines("counted")), c("start", "end"))
  names <- lapply(flow_client$new("F")$latest_run$steps, function(s) names(s$environment$decorators))
  expect_identical(unname(names), list(c("count", "retry"), c("count", "retry")))
})
