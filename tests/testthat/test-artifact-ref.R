stored <- function(value, blobs, offset = 0) {
  bytes <- c(raw(offset), to_bytes(value))
  name <- paste0("ab", paste(rep("0", 62), collapse = ""))
  dir.create(file.path(blobs, "ab"), showWarnings = FALSE)
  writeBin(bytes, file.path(blobs, "ab", name))
  paste(name, offset, length(bytes) - offset, "digest")
}

test_that("a reference has blob, offset, size and digest", {
  expect_identical(parse_ref("abc 12 34 def"), list(blob = "abc", offset = 12, size = 34, digest = "def"))
  expect_identical(parse_ref("abc 0 5000000000 def")$size, 5e9)
  expect_identical(ref_digest("abc 12 34 def"), "def")
})

test_that("values are read through their reference, alone or in a pack", {
  blobs <- withr::local_tempdir()
  expect_identical(read_ref(stored(mtcars, blobs), blobs, "x"), mtcars)
  expect_identical(read_ref(stored(c(a = 1L), blobs, offset = 100), blobs, "x"), c(a = 1L))
})

test_that("missing and damaged bytes are errors that name the artifact", {
  blobs <- withr::local_tempdir()
  blob <- strrep("c", 64)
  expect_error(read_ref(paste(blob, "0 10 d"), blobs, "artifact 'model'"), "artifact 'model' are missing", class = "metaflow_worker_error")
  dir.create(file.path(blobs, "cc"))
  writeBin(as.raw(1:10), file.path(blobs, "cc", blob))
  expect_error(read_ref(paste(blob, "0 10 d"), blobs, "artifact 'model'"), "artifact 'model' cannot be read", class = "metaflow_corrupted_error")
})
