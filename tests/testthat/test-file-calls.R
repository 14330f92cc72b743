test_that("the routines of processx that is installed are the ones that we know", {
  calls <- native_file_calls()
  expect_named(calls, c("create", "read", "write", "close", "set_stdout", "set_stderr"))
  expect_error(calls$create(file.path(withr::local_tempdir(), "no folder", "log")))
})

test_that("bytes are written whole, over what was there, with the routines and with the functions", {
  withr::defer(find_file_calls())
  bytes <- as.raw(rep(0:255, 1000))
  for (native in list(native_file_calls(), NULL)) {
    find_file_calls(native)
    path <- withr::local_tempfile()
    write_file(path, c(bytes, bytes))
    write_file(path, bytes)
    expect_identical(readBin(path, "raw", 1e6), bytes)
    write_file(path, raw())
    expect_identical(file.size(path), 0)
  }
})

test_that("a full disk is an error", {
  skip_if_not(file.exists("/dev/full"))
  expect_error(write_file("/dev/full", as.raw(1:10)), "No space left")
})
