test_that("keys, ranges and values are checked before anything is asked", {
  expect_identical(s3_key("a/b"), "a/b")
  for (key in list(NULL, NA_character_, "", c("a", "b"), 3)) expect_error(s3_key(key), class = "metaflow_usage_error")
  expect_identical(s3_keys(list("a", "b")), c("a", "b"))
  expect_identical(s3_keys(NULL), character())
  expect_error(s3_keys(1:3), class = "metaflow_usage_error")
  expect_identical(s3_range(c(0, 10)), list(0, 10))
  for (range in list(1, c(1, NA), "a", NULL)) expect_error(s3_range(range), class = "metaflow_usage_error")
  expect_identical(s3_wanted(list("a", list("b", 0, 10))), list("a", list("b", 0, 10)))
  expect_identical(json(I(s3_wanted(c("a", "b")))), "[\"a\",\"b\"]")
  expect_identical(json(I(s3_wanted("a"))), "[\"a\"]")
})

test_that("values become files byte by byte", {
  folder <- withr::local_tempdir()
  files <- s3_files(list(a = "gr\u00fcn\n", b = as.raw(c(0, 255)), c = ""), folder)
  expect_named(files, c("a", "b", "c"))
  expect_identical(readBin(files[["a"]], "raw", 99), charToRaw("gr\u00fcn\n"))
  expect_identical(readBin(files[["b"]], "raw", 99), as.raw(c(0, 255)))
  expect_identical(file.size(files[["c"]]), 0)
  expect_error(s3_files(list("a"), folder), "named by their keys", class = "metaflow_usage_error")
  expect_error(s3_files(list(a = mtcars), folder), "The value of 'a'", class = "metaflow_usage_error")
  expect_length(s3_files(list(), folder), 0L)
})

test_that("a run is that of the task, a pathspec, or a run of the client", {
  expect_null(s3_run(NULL))
  expect_null(s3_run(FALSE))
  expect_identical(s3_run("Flow/12"), "Flow/12")
  expect_error(s3_run(TRUE), "inside a step", class = "metaflow_usage_error")
  expect_error(s3_run(12), class = "metaflow_usage_error")
  task <- local_task(current = list(flow_name = "Flow", run_id = "7"))
  expect_identical(s3_run(TRUE), "Flow/7")
})

test_that("a root that is no address is refused", {
  expect_error(mf_s3(c("s3://a", "s3://b")), class = "metaflow_usage_error")
  expect_error(mf_s3("bucket/prefix"), "no address in S3", class = "metaflow_settings_error")
  expect_error(mf_s3(run = "Flow"), "does not name a run", class = "metaflow_usage_error")
})

test_that("a client prints where it reads and writes", {
  expect_snapshot({
    s3 <- mf_s3("s3://bucket/prefix")
    s3
  })
})

test_that("wrong uses say what to write", {
  expect_snapshot(error = TRUE, {
    mf_s3(c("s3://a", "s3://b"))
    mf_s3("bucket/prefix")
    s3_run(TRUE)
    s3_run(12)
    s3_key("")
    s3_keys(1:3)
    s3_range(1)
    s3_files(list("a"), tempdir())
    s3_files(list(a = mtcars), tempdir())
  })
})
