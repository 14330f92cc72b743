bytes_of <- function(x) {
  piece <- fingerprint_piece(x)
  if (!is.null(piece$problem)) stop(piece$problem)
  piece$bytes
}

# A function of the workspace, as a script has it.
global <- function(text, keep = FALSE) {
  f <- eval(parse(text = text, keep.source = keep)[[1]], globalenv())
  f
}

expect_same <- function(a, b) expect_identical(bytes_of(a), bytes_of(b))
expect_other <- function(a, b) expect_false(identical(bytes_of(a), bytes_of(b)))

test_that("comments, layout, source and compilation say nothing about what a function does", {
  plain <- global("function(x, y = 2) { x + y }")
  expect_same(plain, global("function(x, y = 2) {\n  # adds\n  x +    y\n}", keep = TRUE))
  expect_same(plain, compiler::cmpfun(plain))
  nested <- "function(x) { f <- function(a) { a }\n lapply(x, function(i) { i }) }"
  expect_same(global(nested), global(nested, keep = TRUE))
  expect_same(global(nested), unserialize(serialize(global(nested, keep = TRUE), NULL)))
})

test_that("everything that can make a function do something else counts", {
  f <- global("function(x, y = 2) x + y")
  expect_other(f, global("function(x, y = 3) x + y"))
  expect_other(f, global("function(y = 2, x) x + y"))
  expect_other(f, global("function(x, y = 2) x - y"))
  expect_other(f, global("function(x, y = 2) (x + y)"))
  expect_other(global("function() 1L"), global("function() 1"))
  expect_other(global("function() 0.1"), global("function() 0.1000000000000001"))
  expect_other(global("function() 'x'"), global("function() x"))
  expect_other(global("function(x) x[, 1]"), global("function(x) x[1]"))
  expect_other(f, structure(f, class = "special"))
  expect_other(sum, prod)
})

test_that("the values in a closure count, wherever they are", {
  adder <- global("function(n) { force(n); function(x) x + n }")
  expect_same(adder(1), adder(1))
  expect_other(adder(1), adder(2))
  module <- function(k) global(sprintf("local({ deep <- list(inner = local({ secret <- %d; function() secret })); function() deep$inner() })", k))
  expect_same(module(1), module(1))
  expect_other(module(1), module(2))
  # What was not evaluated yet is evaluated.
  lazy <- global("function(n) function(x) x + n")
  expect_other(lazy(1), lazy(2))
  expect_same(lazy(2), lazy(2))
  # Missing arguments and dots are values, too.
  holder <- global("function(a, ...) function() list(...)")
  expect_same(holder(), holder())
  expect_other(holder(1, 2), holder(1, 3))
})

test_that("environments that refer to each other come to an end", {
  ring <- function(value) {
    a <- new.env(parent = emptyenv())
    b <- new.env(parent = emptyenv())
    a$b <- b
    b$a <- a
    b$value <- value
    a
  }
  expect_same(ring(1), ring(1))
  expect_other(ring(1), ring(2))
  twice <- new.env(parent = emptyenv())
  expect_other(list(twice, twice), list(twice, new.env(parent = emptyenv())))
})

test_that("data are compared by value", {
  expect_same(1:10, c(1L, 2L, 3L, 4L, 5L, 6L, 7L, 8L, 9L, 10L))
  expect_same(sort(c(3, 1, 2)), c(1, 2, 3))
  expect_other(1:3, c(1, 2, 3))
  expect_other(c(a = 1), c(b = 1))
  expect_other(NA, NA_integer_)
  expect_other(list(1, list(2)), list(1, 2))
  expect_other(list(), NULL)
  expect_other(factor(c("a", "b")), factor(c("a", "b"), levels = c("b", "a")))
  expect_other(data.frame(x = 1:2), data.frame(x = 2:1))
  expect_other(y ~ x, y ~ z)
  expect_other(quote(f(x)), quote(f(y)))
  expect_same(as.Date("2026-01-31"), as.Date("2026-01-31"))
  # What looks like a canonical form is none.
  expect_other(list("known", "global"), globalenv())
  expect_other(list("call", NULL, list(), NULL), quote(f()))
})

test_that("classes and their methods are compared", {
  area <- function(code) {
    script <- sprintf('
      setClass("Shape", representation(size = "numeric"))
      setGeneric("area", function(shape) standardGeneric("area"))
      setMethod("area", "Shape", function(shape) shape@size * %d)
      Counter <- setRefClass("Counter", fields = list(n = "numeric"), methods = list(up = function() n <<- n + %d))
      Stack <- R6::R6Class("Stack", public = list(push = function() %d))
      captured <- metaflow:::capture_code(metaflow::metaflow("F"))
      folder <- tempfile(); dir.create(folder)
      pieces <- metaflow:::fingerprint_request(captured, folder)$pieces
      problems <- Filter(Negate(is.null), lapply(pieces, function(p) p$problem))
      if (length(problems)) stop(problems[[1]])
      cat(tools::md5sum(file.path(folder, "fingerprint")))
    ', code[[1]], code[[2]], code[[3]])
    path <- withr::local_tempfile(lines = script, fileext = ".R")
    processx::run(file.path(R.home("bin"), "Rscript"), path, timeout = 60, env = c("current", R_LIBS = paste(.libPaths(), collapse = ":")))$stdout
  }
  one <- area(c(1, 1, 1))
  expect_match(one, "[0-9a-f]{32}$")
  expect_identical(area(c(1, 1, 1)), one)
  for (other in list(c(2, 1, 1), c(1, 2, 1), c(1, 1, 2))) expect_false(area(other) == one)
})

test_that("what cannot be compared is a problem of its piece", {
  pointer <- methods::new("externalptr")
  expect_match(fingerprint_piece(list(1, pointer))$problem, "external pointer")
  expect_match(fingerprint_piece(local(function() pointer, list2env(list(pointer = pointer), parent = globalenv())))$problem, "external pointer")
  failing <- global("function(x) function() x")(stop("never to be had"))
  expect_match(suppressWarnings(fingerprint_piece(failing))$problem, "never to be had")
})

test_that("the flow that a pipe holds is left out", {
  start <- function(k) {
    flow <- eval(parse(text = sprintf('
      metaflow::metaflow("F") %%>%%
        metaflow::step(step = "start", next_step = "a", r_function = function(self) %d) %%>%%
        metaflow::step(step = "a", r_function = function(self) 1)', k)), list2env(list(`%>%` = magrittr::`%>%`), parent = globalenv()))
    flow$steps
  }
  expect_other(start(1)$start$r_function, start(2)$start$r_function)
  expect_same(start(1)$a$r_function, start(2)$a$r_function)
})

test_that("words are the names that occur, as symbols and as texts", {
  words <- fingerprint_piece(global('function(x) { helper(x) %+% "by_name"; pkg::thing; lapply(x, function(i) i$deep) }'))$words
  expect_true(all(c("helper", "by_name", "pkg", "thing", "deep", "%+%") %in% words))
  expect_true("get" %in% dynamic_words)
})

test_that("a name is plain when its coming hides nothing", {
  expect_true(is_plain_name("my_helper"))
  expect_false(any(vapply(c("mean", "print.thing", "%+%", "c", "a<-", ".hidden"), is_plain_name, FALSE)))
})

test_that("only flows with a memoised step are looked at", {
  plain <- metaflow("F") %>% step(step = "start")
  expect_false(wants_memory(plain, list()))
  expect_true(wants_memory(plain, list(cache = TRUE)))
  expect_true(wants_memory(plain, list(with = "cache:expire=7d")))
  expect_true(wants_memory(metaflow("F") %>% step(step = "start", decorator("cache")), list()))
  expect_error(decorator("cache", on = "time"), class = "metaflow_invalid_flow_error")
})
