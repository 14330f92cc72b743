test_that("artifacts are read by $ and [[, assigned by both, and listed", {
  self <- local_task(artifacts = list(x = 1:3, model = lm(mpg ~ wt, mtcars)), parameters = list(alpha = 0.5))$self
  expect_identical(self$x, 1:3)
  expect_identical(self[["x"]], 1:3)
  name <- "x"
  expect_identical(self[[name]], 1:3)
  expect_identical(coef(self$model), coef(lm(mpg ~ wt, mtcars)))
  expect_identical(self$alpha, 0.5)

  self$y <- "new"
  self[["z"]] <- list(1)
  self$x <- "changed"
  expect_identical(self$y, "new")
  expect_identical(self$z, list(1))
  expect_identical(self$x, "changed")
  expect_setequal(names(self), c("alpha", "x", "model", "y", "z"))
  expect_length(self, 5)
})

test_that("parts of an artifact are assigned as in any list", {
  self <- local_task(artifacts = list(x = 1:3, frame = data.frame(a = 1:2)))$self
  self$x[2] <- 10L
  self$frame$b <- c("u", "v")
  expect_error(self$new$deep <- 1, class = "metaflow_attribute_error")
  names(self$x) <- c("a", "b", "c")
  expect_identical(self$x, c(a = 1L, b = 10L, c = 3L))
  expect_identical(self$frame, data.frame(a = 1:2, b = c("u", "v")))
})

test_that("NULL is a value", {
  self <- local_task(artifacts = list(x = 1))$self
  self$x <- NULL
  self[["y"]] <- NULL
  expect_null(self$x)
  expect_null(self$y)
  expect_setequal(names(self), c("x", "y"))
})

test_that("an artifact is read when it is used, and once", {
  self <- local_task(artifacts = list(x = 1:3))$self
  expect_length(ls(the$task$values), 0)
  self$x
  expect_identical(ls(the$task$values), "x")
  unlink(the$task$blobs, recursive = TRUE)
  expect_identical(self$x, 1:3)
})

test_that("reading alone does not make an artifact to be stored again", {
  self <- local_task(artifacts = list(x = 1:3))$self
  self$x
  expect_length(the$task$assigned, 0)
  self$x <- 5
  expect_identical(the$task$assigned, "x")
})

test_that("changing a copy does not change the artifact", {
  self <- local_task(artifacts = list(x = 1:3))$self
  mine <- self$x
  mine[1] <- 100L
  expect_identical(self$x, 1:3)
})

test_that("self itself can be handed to other functions", {
  self <- local_task(artifacts = list(x = 1))$self
  add <- function(s) s$x <- s$x + 1
  add(self)
  expect_identical(self$x, 2)
})

test_that("what does not exist is an AttributeError with near names", {
  self <- local_task(artifacts = list(alpha = 1, beta = 2))$self
  expect_error(self$alhpa, class = "metaflow_attribute_error")
  expect_snapshot(error = TRUE, {
    self$alhpa
    self[["nothing like it"]]
    self[[1]]
    self[[c("alpha", "beta")]]
    self[[NA_character_]]
  })
  many <- local_task(artifacts = setNames(as.list(1:30), paste0("column_", 1:30)))$self
  expect_snapshot(error = TRUE, many$zzz)
  empty <- local_task()$self
  expect_snapshot(error = TRUE, empty$zzz)
})

test_that("names are never matched partially", {
  self <- local_task(artifacts = list(alpha = 1))$self
  expect_error(self$alp, class = "metaflow_attribute_error")
  expect_error(self[["alp"]], class = "metaflow_attribute_error")
})

test_that("parameters are read-only, reserved names cannot be assigned", {
  self <- local_task(parameters = list(alpha = 0.5))$self
  expect_error(self$alpha <- 1, class = "metaflow_attribute_error")
  expect_snapshot(error = TRUE, {
    self$alpha <- 1
    self[["alpha"]] <- 1
    self$input <- 1
    self$index <- 1
    self$foreach_stack <- 1
    self[[""]] <- 1
    self[[1]] <- 1
    self[[c("a", "b")]] <- 1
  })
  expect_identical(self$alpha, 0.5)
})

test_that("what ends with its task cannot be an artifact", {
  task <- local_task(inputs = list(a = list(x = 1)))
  self <- task$self
  con <- file(withr::local_tempfile(lines = "x"))
  withr::defer(close(con))
  expect_snapshot(error = TRUE, {
    self$all <- task$inputs
    self$one <- task$inputs$a
    self$me <- self
    self$con <- con
  })
  expect_length(names(self), 0)
})

test_that("outside of a foreach there is no input", {
  self <- local_task()$self
  expect_null(self$input)
  expect_null(self$index)
  expect_identical(self$foreach_stack(), list())
})

test_that("in a foreach, input, index and the stack tell where the task is", {
  self <- local_task(stack = list(list(index = 2, count = 3, value = "c"), list(index = 0, count = 5, value = mtcars[1, ])))$self
  expect_identical(self$input, mtcars[1, ])
  expect_identical(self$index, 0L)
  expect_identical(self$foreach_stack(), list(
    list(index = 2L, count = 3L, value = "c"), list(index = 0L, count = 5L, value = mtcars[1, ])
  ))
})

test_that("a foreach over NULL elements has NULL as its input", {
  self <- local_task(stack = list(list(index = 0, count = 1, value = NULL)))$self
  expect_null(self$input)
  expect_identical(self$index, 0L)
  expect_identical(self$foreach_stack(), list(list(index = 0L, count = 1L, value = NULL)))
})

test_that("self outside of a step says so", {
  self <- new_self()
  expect_snapshot(error = TRUE, {
    self$x
    self$x <- 1
    names(self)
  })
})

test_that("self prints what it has and completes", {
  self <- local_task(artifacts = list(x = 1, y = 2), parameters = list(alpha = 1))$self
  expect_snapshot({
    self
    local_task()$self
  })
  self <- local_task(artifacts = list(x = 1, y = 2), parameters = list(alpha = 1))$self
  expect_setequal(utils::.DollarNames(self, ""), c("alpha", "x", "y", "input", "index", "foreach_stack"))
  expect_identical(utils::.DollarNames(self, "^al"), "alpha")
})

test_that("a function or formula made in a step does not drag the artifacts along", {
  self <- local_task()$self
  make <- function(self) {
    self$big <- rnorm(1e6)
    list(function() self$big[1], y ~ x)
  }
  # As in a worker, where step functions do not live in the frame of a test.
  make <- utils::removeSource(make)
  environment(make) <- globalenv()
  expect_lt(length(to_bytes(make(self))), 5000)
})

test_that("an artifact may have any name that R can write", {
  self <- local_task()$self
  self$my.value <- 1
  self$`two words` <- 2
  self$name <- "n"
  expect_identical(self$`two words`, 2)
  expect_setequal(names(self), c("my.value", "two words", "name"))
})
