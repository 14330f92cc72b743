# Three splits, of which the second ran out of memory.
local_partial_join <- function(env = parent.frame()) {
  task <- local_task(inputs = list(list(x = 1, y = "a"), list(), list(x = 3, y = "a")), env = env)
  the$task$inputs$items[[2]]$failure <- list(
    classes = list("simpleError", "error", "condition"), message = "cannot allocate vector of size 9 Gb", call = "numeric(n)",
    frames = list(list(call = "fit(self)"), list(call = "numeric(n)", file = "flow.R", line = 7L)), cause = "oom", index = 1L,
    ref = blob_of("b.csv", the$task$blobs)
  )
  list(self = new_self(), inputs = new_inputs(the$task))
}

test_that("a split that failed stands in its place, with all that is known of it", {
  inputs <- local_partial_join()$inputs
  expect_length(inputs, 3)
  failure <- inputs[[2]]
  expect_s3_class(failure, "metaflow_failure")
  expect_identical(failure$cause, "oom")
  expect_identical(failure$class, c("simpleError", "error", "condition"))
  expect_identical(failure$input, "b.csv")
  expect_identical(failure$index, 1L)
  expect_identical(failure$trace$line, c(NA, 7L))
  expect_identical(conditionMessage(failure), failure$message)
  expect_identical(vapply(inputs, inherits, FALSE, "metaflow_failure"), c(FALSE, TRUE, FALSE))
  # A plain value, which can be an artifact.
  expect_identical(unserialize(serialize(failure, NULL)), failure)
})

test_that("succeeded() and failed() tell them apart", {
  task <- local_partial_join()
  expect_identical(gather_inputs(succeeded(task$inputs), "x"), list(1, 3))
  expect_identical(succeeded(task$inputs)[[2]]$x, 3)
  expect_identical(failed(task$inputs), list(task$inputs[[2]]))
  expect_identical(failed(succeeded(task$inputs)), list())
  expect_identical(merge_artifacts(task$self, task$inputs, exclude = "x"), "y")
  expect_identical(task$self$y, "a")
})

test_that("what is printed and said reads well", {
  inputs <- local_partial_join()$inputs
  expect_snapshot(print(inputs))
  expect_snapshot(print(inputs[[2]]))
  expect_snapshot(error = TRUE, {
    inputs[[2]]$x
    inputs[[2]][["x"]]
    gather_inputs(inputs, "x")
    succeeded(list())
    failed(1)
  })
})
