test_that("routines of a package are found by their names and numbers of arguments", {
  found <- known_routines("jsonlite", "R_", c(parse = 2L, base64_decode = 1L))
  expect_named(found, c("parse", "base64_decode"))
  expect_identical(.Call(found$parse, "[1]", FALSE), list(1L))
})

test_that("routines that are others, or not there, are not ours to call", {
  expect_null(known_routines("jsonlite", "R_", c(parse = 3L)))
  expect_null(known_routines("jsonlite", "R_", c(parse = 2L, no_such_routine = 1L)))
  # A function of that name.
  expect_null(known_routines("jsonlite", "", c(parse_json = 2L)))
})
