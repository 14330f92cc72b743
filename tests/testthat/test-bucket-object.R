row <- function(...) {
  utils::modifyList(list(
    key = "a", url = "s3://b/a", exists = TRUE, size = 5, path = NULL, modified_at = 1e9, content_type = "text/plain",
    metadata = list(colour = "red")
  ), list(...))
}

test_that("content is downloaded when it is first looked at, once", {
  file <- withr::local_tempfile()
  writeBin(charToRaw("gr\u00fcn"), file)
  asked <- 0
  object <- new_s3_object(row(), function(url) {
    asked <<- asked + 1
    file
  })
  expect_identical(object$key, "a")
  expect_identical(object$size, 5)
  expect_identical(object$metadata, list(colour = "red"))
  expect_s3_class(object$modified_at, "POSIXct")
  expect_false(object$downloaded)
  expect_identical(asked, 0)
  expect_identical(object$text, "gr\u00fcn")
  expect_identical(object$raw, charToRaw("gr\u00fcn"))
  expect_identical(object[["path"]], file)
  expect_true(object$downloaded)
  expect_identical(asked, 1)
})

test_that("what is not text is no text, and what it does not have is named", {
  file <- withr::local_tempfile()
  writeBin(as.raw(c(1, 0, 2)), file)
  object <- new_s3_object(row(path = file), stop)
  expect_identical(object$raw, as.raw(c(1, 0, 2)))
  expect_error(object$text, "is not text", class = "metaflow_usage_error")
  expect_error(object$siz, "no attribute 'siz'.*'size'", class = "metaflow_attribute_error")
})

test_that("it prints as one line", {
  expect_snapshot({
    new_s3_object(row(), stop)
    new_s3_object(row(url = "s3://b/d/", exists = FALSE, size = NULL), stop)
  })
  expect_output(str(new_s3_object(row(exists = FALSE, size = NULL), stop)), "missing")
  expect_true(all(c("size", "path", "text") %in% .DollarNames(new_s3_object(row(), stop))))
})
