hook <- function(name, ...) c(list(name = name, before = NULL, after = NULL, on_error = NULL, args = list()), list(...))

decorated <- function(decorators, body = function() list(ok = TRUE)) {
  task <- local_task(current = list(retry_count = 0L))
  decorators <- lapply(decorators, function(d) d[!duplicated(names(d), fromLast = TRUE)])
  run_decorated(decorators, "s", task$self, NULL, body)
}

test_that("an error of before keeps the step from running, and is seen by those that had begun", {
  seen <- character()
  note <- function(word) function(ctx) seen <<- c(seen, word)
  result <- decorated(list(
    hook("a", before = note("a before"), after = note("a after"), on_error = function(ctx) seen <<- c(seen, class(ctx$error)[[1]])),
    hook("b", before = function(ctx) stop("no"), on_error = note("b on_error")),
    hook("c", before = note("c before"))
  ), function() stop("the step ran"))
  expect_false(result$ok)
  expect_identical(result$error$message, "no")
  expect_identical(result$error$frames[[1]]$call, "b.before(ctx)")
  expect_identical(seen, c("a before", "simpleError"))
})

test_that("an error of on_error leaves the error that it looks at", {
  failed <- list(ok = FALSE, error = list(message = "first", classes = "simpleError"), condition = simpleError("first"))
  expect_identical(decorated(list(hook("a", on_error = function(ctx) invisible())), function() failed)$error$message, "first")
  said <- capture.output(result <- decorated(list(hook("a", on_error = function(ctx) stop("second"))), function() failed), type = "message")
  expect_identical(result$error$message, "first")
})

test_that("a context prints what was put into it", {
  local_task(current = list(retry_count = 2L))
  ctx <- decorator_context(list(args = list(a = 1)), "fit", NULL, NULL)
  ctx$began <- 1
  expect_snapshot(ctx)
})
