test_that("run$data looks like a list and loads what is used", {
  local_browsed()
  data <- run_client$new("ShopFlow/3")$data
  expect_identical(names(data), c("bill", "currency", "nothing", "odd name", "rate"))
  expect_length(data, 5)
  expect_identical(data$rate, 2)
  expect_identical(data[["odd name"]], list(1L, "b"))
  expect_null(data$nothing)
  expect_identical(data[[2]], "EUR")
  expect_identical(data[c("rate", "currency")], list(rate = 2, currency = "EUR"))
  expect_identical(names(as.list(data)), names(data))
  expect_identical(with(as.list(data), rate * 2), 4)
  expect_identical(task_client$new("ShopFlow/3/start/1")$data$when, as.Date("2026-01-31"))
})

test_that("artifacts complete with TAB", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_identical(.DollarNames(run$data, "^c"), "currency")
  expect_identical(complete("run$data$b", run), "run$data$bill")
})

test_that("an artifact that is not there is an error with the nearest name", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  expect_snapshot(error = TRUE, {
    run$artifact("bil")
    run$data$bil
    run$artifact(c("bill", "rate"))
    run$artifact(NULL)
    run_client$new("ShopFlow/1")$artifact("bill")
    run$data$bill <- 1
    task_client$new("ShopFlow/1/quote/4")$data$price
  })
  expect_error(run$data$bil, class = "metaflow_not_found_error")
})

test_that("values come back as they were, whatever they are", {
  folder <- local_flow_folder()
  write_flow(folder, '
    S <- methods::setClass("S", representation(x = "numeric"))
    metaflow("ValueFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        self$missing <- c("a", NA)
        self$none <- integer(0)
        self$level <- factor(c("x", "y"), levels = c("y", "x"))
        self$named <- c(a = 1, b = 2)
        self$items <- list(1, 2)
        self$moment <- as.POSIXct("2026-01-31 12:00:00", tz = "UTC")
        self$wait <- as.difftime(3, units = "hours")
        self$frame <- data.frame(day = as.Date("2026-01-31") + 0:1, value = c(1, NA))
        self$model <- stats::lm(mpg ~ wt, mtcars)
        self$f <- function(x) x + 1
        self$big <- seq_len(2e5) + 0.5
        self$object <- S(x = 3)
      }) %>%
      step(step = "end") %>%
      run()
  ')
  run_flow_well(folder)
  data <- run_client$new("ValueFlow/1")$data
  expect_identical(data$missing, c("a", NA))
  expect_identical(data$none, integer(0))
  expect_identical(data$level, factor(c("x", "y"), levels = c("y", "x")))
  expect_identical(data$named, c(a = 1, b = 2))
  expect_identical(data$items, list(1, 2))
  expect_identical(data$moment, as.POSIXct("2026-01-31 12:00:00", tz = "UTC"))
  expect_identical(data$wait, as.difftime(3, units = "hours"))
  expect_identical(data$frame, data.frame(day = as.Date("2026-01-31") + 0:1, value = c(1, NA)))
  expect_equal(predict(data$model, data.frame(wt = 3)), predict(lm(mpg ~ wt, mtcars), data.frame(wt = 3)))
  expect_identical(data$f(1), 2)
  expect_identical(data$big, seq_len(2e5) + 0.5)
  expect_identical(data$object@x, 3)
})

# Where the bytes of an artifact are.
blob_path <- function(folder, record) {
  blob <- if (is.null(record$blob)) record$digest else record$blob
  file.path(folder, "store", "blobs", substr(blob, 1, 2), blob)
}

test_that("damaged bytes are told from a value that R cannot rebuild", {
  folder <- local_browsed()
  task <- task_client$new("ShopFlow/3/total/5")
  record <- artifact_records("ShopFlow/3/total/5")$bill
  path <- blob_path(folder, record)
  bytes <- readBin(path, "raw", file.size(path))
  Sys.chmod(path, "644")
  first <- if (is.null(record$offset)) 0L else record$offset
  damaged <- bytes
  damaged[first + seq_len(40)] <- as.raw(0xff)
  writeBin(damaged, path)
  expect_error(task$artifact("bill"), class = "metaflow_corrupted_error")
  writeBin(utils::head(bytes, first + 10), path)
  expect_error(task$artifact("bill"), class = "metaflow_corrupted_error")
  unlink(path)
  expect_error(task$artifact("bill"), class = "metaflow_not_found_error")
})

test_that("an encoding that R cannot read is a clear error", {
  folder <- local_browsed()
  path <- file.path(folder, "store/flows/ShopFlow/3/total/5/0/task.json")
  text <- paste(readLines(path, warn = FALSE), collapse = "\n")
  Sys.chmod(path, "644")
  writeLines(gsub("r-serialize-3", "pickle-5", text, fixed = TRUE), path)
  expect_snapshot(task_client$new("ShopFlow/3/total/5")$artifact("bill"), error = TRUE)
  expect_error(task_client$new("ShopFlow/3/total/5")$artifact("bill"), class = "metaflow_artifact_error")
  expect_true("bill" %in% task_client$new("ShopFlow/3/total/5")$artifacts)
})

test_that("artifacts print", {
  local_browsed()
  expect_snapshot({
    run_client$new("ShopFlow/3")$data
    str(task_client$new("ShopFlow/3/quote/2")$data)
  })
})
