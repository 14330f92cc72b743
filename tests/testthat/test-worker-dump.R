# What is kept of local variables; that it comes with a failed task is tested in test-debug.R.

test_that("locals are kept within bounds", {
  f <- function(lazy, missing_one) {
    kept <- 1:3
    fun <- function() NULL
    env <- new.env()
    model <- stats::lm(mpg ~ wt, mtcars)
    all_variables <- Sys.getenv()
    environment()
  }
  budget <- list2env(list(left = 1e6, secrets = character()))
  locals <- metaflow:::dump_locals(f(stop("no value")), budget)
  expect_identical(locals$kept, 1:3)
  for (name in c("lazy", "missing_one", "fun", "env", "model", "all_variables")) expect_s3_class(locals[[name]], "metaflow_not_kept")
})
