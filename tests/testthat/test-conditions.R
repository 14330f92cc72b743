caught_by <- function(expr) tryCatch(expr, condition = identity)

test_that("an error of this package is a condition with a hint and data", {
  e <- caught_by(mf_abort("No run 12.", "metaflow_not_found_error", "Runs: 1 to 11.", data = list(run = 12)))
  expect_s3_class(e, c("metaflow_not_found_error", "metaflow_error", "error", "condition"), exact = TRUE)
  expect_identical(conditionMessage(e), "No run 12.\nRuns: 1 to 11.")
  expect_identical(e$hint, "Runs: 1 to 11.")
  expect_identical(e$data, list(run = 12))
  expect_null(conditionCall(e))
})

test_that("without a hint the message stands alone", {
  expect_identical(conditionMessage(caught_by(mf_abort("It is so."))), "It is so.")
  expect_identical(conditionMessage(caught_by(mf_abort("It is so.", hint = ""))), "It is so.")
  expect_s3_class(caught_by(mf_abort("It is so.")), c("metaflow_error", "error", "condition"), exact = TRUE)
})

test_that("the nearest word is found, far ones are not", {
  expect_identical(nearest("rnu", c("run", "resume", "show")), "run")
  expect_identical(nearest("RUN", c("run", "resume")), "run")
  expect_identical(nearest("resmue", c("run", "resume")), "resume")
  expect_null(nearest("xylophone", c("run", "resume")))
  expect_null(nearest("run", character()))
  expect_null(nearest("run", "run"))
  expect_identical(did_you_mean("lst", c("list", "logs")), "Did you mean 'list'?")
  expect_null(did_you_mean("zzzzzz", c("list", "logs")))
})

test_that("errors print their message and hint, and no Python", {
  expect_snapshot(error = TRUE, mf_abort("No run 12.", "metaflow_not_found_error", "Runs: 1 to 11."))
})
