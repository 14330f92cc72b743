values_of_all_kinds <- function() {
  global_function <- eval(quote(function(x) x + 1), globalenv())
  list(
    null = NULL, integers = c(1L, NA), compact = 1:1e6, numbers = c(pi, NA, NaN, Inf), text = c("a", NA, "\u00fc"),
    frame = data.frame(x = 1:3, y = c("a", NA, "c")), list = list(a = 1, b = list(NULL, mean)), fun = global_function,
    call = quote(f(x)), symbol = as.name("x"), raw = as.raw(0:255), formula = as.formula("y ~ x", globalenv()), empty = character()
  )
}

test_that("a value written to a file is read back identical", {
  path <- withr::local_tempfile()
  for (value in values_of_all_kinds()) {
    write_value(value, path)
    expect_identical(read_value(path), value)
  }
})

test_that("many values in one folder are read back one by one", {
  folder <- withr::local_tempdir()
  values <- values_of_all_kinds()
  items <- write_values(values, folder)
  expect_named(items, names(values))
  for (name in names(values)) {
    item <- items[[name]]
    expect_identical(read_value(file.path(folder, item$file), item$offset, item$size), values[[name]])
  }
})

test_that("small values share a file, large ones have one of their own", {
  folder <- withr::local_tempdir()
  items <- write_values(list(a = 1, large = rnorm(1e5), b = "x", long = rep("text", 1e5)), folder)
  files <- vapply(items, function(i) i$file, "")
  expect_identical(files[c("a", "b")], c(a = "pack", b = "pack"))
  expect_identical(anyDuplicated(files[c("large", "long")]), 0L)
  expect_setequal(list.files(folder), unique(files))
  sizes <- vapply(items, function(i) as.numeric(i$size), 0)
  expect_equal(file.size(file.path(folder, "pack")), unname(sizes["a"] + sizes["b"]))
})

test_that("equal values have equal bytes, whatever they are packed with", {
  frame <- data.frame(x = c(1.5, 2), y = c("a", "b"))
  expect_identical(to_bytes(frame), to_bytes(data.frame(x = c(1.5, 2), y = c("a", "b"))))
})

test_that("nothing is written for no values", {
  folder <- withr::local_tempdir()
  expect_length(write_values(list(), folder), 0)
  expect_length(list.files(folder), 0)
})

test_that("the record of a value says what it is", {
  expect_identical(unclass(describe_value(mtcars)$class), "data.frame")
  expect_identical(as.integer(describe_value(mtcars)$dim), c(32L, 11L))
  expect_null(describe_value(1:3)$dim)
  expect_equal(describe_value(letters)$length, 26)
  expect_identical(unclass(describe_value(matrix(1:4, 2))$class), c("matrix", "array"))
  expect_equal(describe_value(NULL)$length, 0)
  expect_match(json(describe_value(Sys.time())), "\"class\":[\"POSIXct\",\"POSIXt\"]", fixed = TRUE)
})

test_that("classes with a length of their own do not disturb the writer", {
  # A class that a package forgot to give sane methods: length() fails.
  registerS3method("length", "metaflow_test_awkward", function(x) stop("no length"), envir = asNamespace("base"))
  registerS3method("dim", "metaflow_test_awkward", function(x) stop("no dim"), envir = asNamespace("base"))
  awkward <- structure(list(1, 2), class = "metaflow_test_awkward")
  folder <- withr::local_tempdir()
  items <- write_values(list(x = awkward), folder)
  read <- read_value(file.path(folder, items$x$file), items$x$offset, items$x$size)
  expect_identical(unclass(read), list(1, 2))
  expect_identical(class(read), "metaflow_test_awkward")
})

test_that("the guess at a size looks at a bounded part only", {
  expect_true(looks_small(1:10))
  expect_true(looks_small(list(a = 1, b = list("x"))))
  expect_true(looks_small(NULL))
  expect_false(looks_small(1:1e6))
  expect_false(looks_small(mean))
  expect_false(looks_small(globalenv()))
  expect_false(looks_small(as.list(1:1e5)))
  deep <- list()
  for (i in 1:5000) deep <- list(deep)
  expect_false(looks_small(deep))
  heavy <- structure(1, extra = rnorm(1e6))
  expect_false(looks_small(heavy))
})
