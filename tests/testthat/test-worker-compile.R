loops <- function(self) for (i in 1:3) self$x <- i
small <- function(self) self$x <- 1

# `body(f)` is its text, compiled or not: what is printed tells.
is_compiled <- function(f) any(grepl("<bytecode", capture.output(print(f)), fixed = TRUE))

local_code <- function(functions, reached, env = parent.frame()) {
  previous <- list(the$worker, the$loaded_notes)
  the$worker <- list(code = list(functions = functions, reached = reached), ready = new.env())
  withr::defer({
    the$worker <- previous[[1]]
    the$loaded_notes <- previous[[2]]
  }, envir = env)
}

local_global <- function(name, value, env = parent.frame()) {
  assign(name, value, envir = globalenv())
  withr::defer(rm(list = name, envir = globalenv()), envir = env)
}

fresh <- function(f) eval(parse(text = deparse(f), keep.source = TRUE)[[1]], globalenv())

test_that("what R would compile when it is first called is worth it", {
  expect_true(is_worth_compiling(loops))
  expect_true(is_worth_compiling(function(x) while (TRUE) break))
  expect_true(is_worth_compiling(as.function(c(alist(x = ), as.call(c(quote(`{`), rep(list(quote(f(x))), 40)))))))
  expect_false(is_worth_compiling(small))
  expect_false(is_worth_compiling(sum))
})

test_that("the step's function and those that it reaches are compiled, once, and stay what they were", {
  local_global("reached_helper", fresh(loops))
  local_global("other_helper", fresh(loops))
  local_code(list(s = fresh(loops), t = fresh(small)), list(s = c("reached_helper", "no such object"), t = character()))
  prepared <- prepare_step("s")
  f <- the$worker$code$functions$s
  expect_true(is_compiled(f))
  expect_true(identical(f, fresh(loops), ignore.srcref = TRUE))
  expect_false(is.null(attr(f, "srcref")))
  expect_true(is_compiled(get("reached_helper", globalenv())))
  expect_false(is_compiled(get("other_helper", globalenv())))
  expect_identical(prepare_step("s"), prepared)
  prepare_step("t")
  expect_false(is_compiled(the$worker$code$functions$t))
})

test_that("objects of a memoised flow, which note who looks at them, are left alone", {
  delayedAssign("watched_helper", stop("looked at"), assign.env = globalenv())
  withr::defer(rm("watched_helper", envir = globalenv()))
  local_code(list(s = fresh(loops)), list(s = "watched_helper"))
  the$loaded_notes <- new.env()
  expect_no_error(prepare_step("s"))
})

test_that("who has turned R's compiler off gets no compiled code", {
  level <- compiler::enableJIT(0)
  withr::defer(compiler::enableJIT(level))
  local_code(list(s = fresh(loops)), list(s = character()))
  prepare_step("s")
  expect_false(is_compiled(the$worker$code$functions$s))
})
