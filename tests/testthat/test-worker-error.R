test_that("the record of an error has classes, message and call", {
  e <- tryCatch(stop("boom ", 1), error = identity)
  record <- error_record(e, list())
  expect_identical(unclass(record$classes), c("simpleError", "error", "condition"))
  expect_identical(record$message, "boom 1")
  expect_identical(record$cause, "error")
  custom <- structure(class = c("my_error", "error", "condition"), list(message = c("two", "lines"), call = NULL))
  expect_identical(error_record(custom, list())$message, "two\nlines")
  expect_null(error_record(custom, list())$call)
})

test_that("a condition whose message cannot be read is still recorded", {
  registerS3method("conditionMessage", "metaflow_test_mute", function(c) stop("no words"), envir = asNamespace("base"))
  mute <- structure(class = c("metaflow_test_mute", "error", "condition"), list(message = NULL, call = NULL))
  expect_identical(error_record(mute, list())$message, "(an error without a readable message)")
})

test_that("running out of memory is told apart", {
  for (text in c("cannot allocate vector of size 100.0 Gb", "cannot allocate memory block", "std::bad_alloc")) {
    if (!grepl("block", text)) expect_identical(error_record(simpleError(text), list())$cause, "oom")
  }
  expect_identical(error_record(simpleError("cannot allocate a seat"), list())$cause, "error")
})

test_that("a call is shown on one line of bounded width", {
  expect_identical(one_line(quote(f(x))), "f(x)")
  expect_null(one_line(NULL))
  long <- as.call(c(as.name("f"), as.list(seq_len(1000))))
  expect_lte(nchar(one_line(long)), 100)
  expect_match(one_line(quote({
    a
    b
  })), "^\\{ a b \\}$")
})

test_that("a failure is shown as R users know it, innermost call first", {
  error <- list(
    message = "too large", call = "check(x)",
    frames = list(list(call = "start(self)"), list(call = "work(self$x)", file = "boom.R", line = 9L), list(call = "stop(\"too large\")", file = "boom.R", line = 4L))
  )
  expect_snapshot({
    cat(format_failure(error))
    cat(format_failure(list(message = "no call", frames = list())))
    cat(format_failure(list(message = "two\nlines", call = "f()", frames = list())))
  })
})

test_that("a condition is kept with its class and fields, but without what carries the world along", {
  f <- function(x) stop(structure(class = c("my_error", "error", "condition"), list(
    message = "m", call = sys.call(), code = 42L, where = environment(), big = rnorm(1e6), parent = simpleError("inner")
  )))
  e <- tryCatch(f(1), error = identity)
  slim <- slim_condition(e)
  expect_s3_class(slim, c("my_error", "error", "condition"), exact = TRUE)
  expect_identical(slim$code, 42L)
  expect_identical(conditionMessage(slim$parent), "inner")
  expect_null(slim$where)
  expect_null(slim$big)
  expect_identical(conditionCall(slim), quote(f(1)))
  expect_lt(length(to_bytes(slim)), 5000)
})

# What a step function that fails leaves as its call stack, outermost call first.
stack_of <- function(step, task = local_task(artifacts = list(alpha = 1), inputs = list(a = list(x = 1), b = list(x = 2)))) {
  environment(step) <- globalenv()
  result <- run_guarded(list(call = quote(start(self, inputs)), scope = list2env(list(start = step, self = task$self, inputs = task$inputs), parent = globalenv())))
  vapply(result$error$frames, function(f) f$call, "")
}

test_that("the call stack holds the user's calls, down to the one that failed", {
  expect_identical(stack_of(function(self, inputs) stop("x")), c("start(self, inputs)", "stop(\"x\")"))
  expect_identical(stack_of(function(self, inputs) 1 + nothing), "start(self, inputs)")
  expect_identical(stack_of(function(self, inputs) sapply(1, function(i) stop(i))), c(
    "start(self, inputs)", "sapply(1, function(i) stop(i))", "lapply(X = X, FUN = FUN, ...)", "FUN(X[[i]], ...)", "stop(i)"
  ))
  expect_identical(stack_of(function(self, inputs) log("a")), "start(self, inputs)")
  expect_identical(stack_of(function(self, inputs) match.arg("a", "b")), c("start(self, inputs)", "match.arg(\"a\", \"b\")", tail(stack_of(function(self, inputs) match.arg("a", "b")), 1)))
})

test_that("of our own functions only the call that the user wrote is shown", {
  expect_identical(stack_of(function(self, inputs) self$alhpa), c("start(self, inputs)", "self$alhpa"))
  expect_identical(stack_of(function(self, inputs) self[["alhpa"]]), c("start(self, inputs)", "self[[\"alhpa\"]]"))
  expect_identical(stack_of(function(self, inputs) self$input <- 1), c("start(self, inputs)", "self$input <- 1"))
  expect_identical(stack_of(function(self, inputs) inputs$c), c("start(self, inputs)", "inputs$c"))
  expect_identical(stack_of(function(self, inputs) inputs$a$y), c("start(self, inputs)", "inputs$a$y"))
  expect_identical(stack_of(function(self, inputs) merge_artifacts(self, inputs)), c("start(self, inputs)", "merge_artifacts(self, inputs)"))
  expect_identical(stack_of(function(self, inputs) unlist(gather_inputs(inputs, "y"))), c(
    "start(self, inputs)", "unlist(gather_inputs(inputs, \"y\"))", "gather_inputs(inputs, \"y\")"
  ))
  expect_identical(stack_of(function(self, inputs) lapply(inputs, function(i) i$y)), c(
    "start(self, inputs)", "lapply(inputs, function(i) i$y)", "FUN(X[[i]], ...)", "i$y"
  ))
})

test_that("endless recursion is a line of the call stack, not thousands", {
  frame <- function(call, line) list(call = call, file = "flow.R", line = line)
  frames <- c(list(frame("start(self)", 9L)), rep(list(frame("again(n + 1)", 3L)), 60), rep(list(frame("f(x)", 4L)), 2))
  expect_snapshot(cat(format_failure(list(message = "evaluation nested too deeply", call = NULL, frames = frames))))
})
