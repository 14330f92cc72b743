# Written by our writer, read by jsonlite: what an independent reader makes of it.
crossed <- function(x) jsonlite::fromJSON(json(x), simplifyVector = FALSE)

test_that("scalars, arrays and objects are written as such", {
  expect_identical(json(NULL), "null")
  expect_identical(json(TRUE), "true")
  expect_identical(json(3L), "3")
  expect_identical(json("a"), "\"a\"")
  expect_identical(json(1:3), "[1,2,3]")
  expect_identical(json(c(a = 1)), "1")
  expect_identical(json(list()), "[]")
  expect_identical(json(structure(list(), names = character())), "{}")
  expect_identical(json(as_object(list())), "{}")
  expect_identical(json(list(1, "a", NULL)), "[1,\"a\",null]")
  expect_identical(json(list(a = 1, b = list(c = TRUE))), "{\"a\":1,\"b\":{\"c\":true}}")
})

test_that("I() keeps a vector of any length an array", {
  expect_identical(json(I("a")), "[\"a\"]")
  expect_identical(json(I(character())), "[]")
  expect_identical(json(I(1L)), "[1]")
  expect_identical(json(list(x = I(c(TRUE, FALSE)))), "{\"x\":[true,false]}")
  expect_identical(json(character()), "[]")
})

test_that("missing and non-finite values are null", {
  expect_identical(json(c(TRUE, NA)), "[true,null]")
  expect_identical(json(c(1L, NA)), "[1,null]")
  expect_identical(json(c("a", NA)), "[\"a\",null]")
  expect_identical(json(c(1.5, NA, NaN, Inf, -Inf)), "[1.5,null,null,null,null]")
})

test_that("numbers come back as the same double", {
  numbers <- c(0, -0.1, 0.1 + 0.2, 1 / 3, pi, 1e-300, 5e-324, .Machine$double.xmax, 2^53 + 2, 2^60, 1e15, 123456789.123456789, -1e-7)
  expect_identical(as.numeric(unlist(crossed(numbers))), numbers)
  expect_identical(json(0.1), "0.1")
  expect_identical(json(1e15), "1e+15")
  expect_identical(json(100000), "100000")
  withr::local_options(OutDec = ",", scipen = -100)
  expect_identical(json(0.5), "0.5")
  expect_identical(json(5L), "5")
  expect_identical(json(100000L), "100000")
})

test_that("strings come back whole: quotes, controls, Unicode", {
  strings <- c(
    "", " ", "a\"b", "a\\b", "a/b", "line\nbreak\r\ttab", "\u0001\u001f\u007f", "\u00fcber", "\u4e16\u754c", "\U0001f600",
    "null", "\b\f", "\u2028\u2029", "${x}", "<script>", "%s %d"
  )
  expect_identical(unlist(crossed(strings)), strings)
  odd_name <- setNames(list(1L), "a \"b\"\n\u00fc")
  expect_identical(crossed(odd_name), odd_name)
  expect_match(json("a\nb\u2028"), "^[^\n]*$")
})

test_that("strings in other encodings are told apart and made UTF-8", {
  latin <- "\xfcber"
  Encoding(latin) <- "latin1"
  expect_identical(json(latin), "\"\u00fcber\"")
  broken <- "a\xff\xfeb"
  expect_true(validUTF8(json(broken)))
  expect_match(crossed(broken), "^a.*b$")
  expect_true(validUTF8(json(c("ok", broken))))
})

test_that("a long vector is written element by element", {
  long <- as.character(seq_len(5000))
  expect_identical(unlist(crossed(long)), long)
})

test_that("what cannot cross to Python is refused", {
  expect_snapshot(error = TRUE, {
    json(list(x = mean))
    json(as.raw(1:3))
    json(1i)
    json(quote(x + y))
    json(new.env())
  })
})

test_that("factors and dates do not cross as bare numbers", {
  expect_identical(json(factor(c("b", "a"))), "[\"b\",\"a\"]")
  expect_identical(json(as.Date("2024-02-29")), "\"2024-02-29\"")
})

test_that("what Python writes is read as nested lists without guesses", {
  expect_identical(parse_json("[1, 1.0, \"a\", null, true]"), list(1L, 1, "a", NULL, TRUE))
  expect_identical(parse_json("{\"a\": []}"), list(a = list()))
  expect_identical(parse_json("[1]"), list(1L))
})

test_that("orders and bytes are read alike by jsonlite's routines and by its functions", {
  withr::defer(find_json_calls())
  text <- "{\"op\":\"task\",\"n\":[1,2.5,null],\"s\":\"\\u00fc\"}"
  for (routines in list(known_routines("jsonlite", "R_", c(parse = 2L, base64_decode = 1L)), NULL)) {
    find_json_calls(routines)
    expect_identical(parse_order(text), list(op = "task", n = list(1L, 2.5, NULL), s = "\u00fc"))
    expect_identical(base64_bytes("AAEC/w=="), as.raw(c(0, 1, 2, 255)))
    expect_error(parse_order("{"))
  }
})
