branch <- function(env = parent.frame()) {
  local_task(
    inputs = list(a = list(x = 1, same = "s", only_a = TRUE), b = list(x = 2, same = "s")),
    base = list(shared = mtcars), parameters = list(alpha = 0.5), env = env
  )
}

foreach <- function(n = 3, env = parent.frame()) {
  local_task(inputs = lapply(seq_len(n), function(i) list(y = i^2, model = list(i))), base = list(shared = "s"), env = env)
}

test_that("the inputs of a branch have the names of their steps", {
  inputs <- branch()$inputs
  expect_named(inputs, c("a", "b"))
  expect_length(inputs, 2)
  expect_identical(inputs$a$x, 1)
  expect_identical(inputs$b[["x"]], 2)
  expect_identical(inputs[["b"]]$x, 2)
  expect_identical(inputs[[1]]$x, 1)
  expect_identical(inputs$a$shared, mtcars)
  expect_identical(inputs$a$alpha, 0.5)
  expect_setequal(names(inputs$a), c("alpha", "shared", "x", "same", "only_a"))
})

test_that("the inputs of a foreach come in order and work with lapply, vapply and for", {
  inputs <- foreach()$inputs
  expect_null(names(inputs))
  expect_identical(inputs[[3]]$y, 9)
  expect_identical(vapply(inputs, function(i) i$y, 0), c(1, 4, 9))
  expect_identical(lapply(inputs, function(i) i$model), list(list(1L), list(2L), list(3L)))
  total <- 0
  for (input in inputs) total <- total + input$y
  expect_identical(total, 14)
  expect_identical(vapply(inputs[2:3], function(i) i$y, 0), c(4, 9))
  expect_identical(vapply(rev(inputs), function(i) i$y, 0), c(9, 4, 1))
  expect_identical(vapply(Filter(function(i) i$y > 1, inputs), function(i) i$y, 0), c(4, 9))
  expect_identical(Map(function(i, n) i$y + n, inputs, 1:3), list(2, 6, 12))
  expect_identical(Reduce(`+`, lapply(inputs, `[[`, "y")), 14)
  best <- which.max(vapply(inputs, function(i) i$y, 0))
  expect_identical(inputs[[best]]$model, list(3L))
})

test_that("what an input or the inputs do not have is an AttributeError", {
  branch <- branch()$inputs
  expect_error(branch$a$nothing, class = "metaflow_attribute_error")
  expect_snapshot(error = TRUE, {
    branch$a$only_b
    branch$b$sharde
    branch$c
    branch[["c"]]
    branch[[3]]
    branch[[TRUE]]
    branch$a[[1]]
  })
  each <- foreach()$inputs
  expect_snapshot(error = TRUE, {
    each$a
    each[[4]]
    each[[1]]$z
  })
})

test_that("inputs cannot be assigned to", {
  inputs <- branch()$inputs
  expect_snapshot(error = TRUE, {
    inputs$a$x <- 5
    inputs$a <- 5
    inputs[["a"]] <- 5
  })
  expect_identical(inputs$a$x, 1)
})

test_that("gather_inputs() collects one artifact from all inputs", {
  expect_identical(gather_inputs(branch()$inputs, "x"), list(a = 1, b = 2))
  expect_identical(gather_inputs(foreach()$inputs, "y"), list(1, 4, 9))
  expect_identical(gather_inputs(foreach(0)$inputs, "y"), list())
  expect_identical(gather_inputs(foreach(5)$inputs[2:3], "y"), list(4, 9))
  inputs <- branch()$inputs
  expect_snapshot(error = TRUE, {
    gather_inputs(inputs, "only_a")
    gather_inputs(list(1), "x")
    gather_inputs(inputs)
    gather_inputs(inputs, c("x", "same"))
  })
})

test_that("gathering NULL values keeps a place for each input", {
  inputs <- local_task(inputs = list(list(y = NULL), list(y = 1)))$inputs
  expect_identical(gather_inputs(inputs, "y"), list(NULL, 1))
})

test_that("merge_artifacts() takes over what agrees, without reading it", {
  task <- local_task(
    inputs = list(a = list(same = 1:3, only_a = "a"), b = list(same = 1:3, only_b = "b")), base = list(shared = mtcars)
  )
  unlink(the$task$blobs, recursive = TRUE)
  merged <- withVisible(merge_artifacts(task$self, task$inputs))
  expect_false(merged$visible)
  expect_setequal(merged$value, c("same", "only_a", "only_b", "shared"))
  expect_setequal(names(task$self), c("same", "only_a", "only_b", "shared"))
  expect_setequal(names(the$task$carried), c("same", "only_a", "only_b", "shared"))
})

test_that("a conflict names the artifacts and sets nothing", {
  task <- branch()
  expect_error(merge_artifacts(task$self, task$inputs), "MergeArtifactsException: .*'x'", class = "metaflow_merge_error")
  expect_identical(names(task$self), "alpha")
  expect_snapshot(error = TRUE, merge_artifacts(task$self, task$inputs))
  two <- local_task(inputs = list(a = list(x = 1, y = 1, z = 1), b = list(x = 2, y = 2, z = 1)))
  expect_snapshot(error = TRUE, merge_artifacts(two$self, two$inputs))
})

test_that("a conflict is solved by assigning before, by exclude or by include", {
  task <- branch()
  task$self$x <- "mine"
  merge_artifacts(task$self, task$inputs)
  expect_identical(task$self$x, "mine")
  expect_identical(task$self$same, "s")

  task <- branch()
  merge_artifacts(task$self, task$inputs, exclude = "x")
  expect_setequal(names(task$self), c("alpha", "same", "only_a", "shared"))

  task <- branch()
  merge_artifacts(task$self, task$inputs, exclude = list("x", "same"))
  expect_setequal(names(task$self), c("alpha", "only_a", "shared"))

  task <- branch()
  merge_artifacts(task$self, task$inputs, include = "same")
  expect_setequal(names(task$self), c("alpha", "same"))
})

test_that("wrong exclude and include are refused", {
  task <- branch()
  expect_snapshot(error = TRUE, {
    merge_artifacts(task$self, task$inputs, include = "x")
    merge_artifacts(task$self, task$inputs, include = "saem")
    merge_artifacts(task$self, task$inputs, include = "same", exclude = "x")
    merge_artifacts(task$self, list())
    merge_artifacts(task$self)
    merge_artifacts(task$inputs, task$self)
  })
  expect_identical(names(task$self), "alpha")
})

test_that("equal values with different bytes are no conflict", {
  expect_false(identical(to_bytes(1:3), to_bytes(c(1L, 2L, 3L))))
  task <- local_task(inputs = list(a = list(x = 1:3), b = list(x = c(1L, 2L, 3L))))
  merge_artifacts(task$self, task$inputs)
  expect_identical(task$self$x, 1:3)
})

test_that("parameters are there after a merge, and are not merged", {
  task <- branch()
  merge_artifacts(task$self, task$inputs, exclude = "x")
  expect_identical(task$self$alpha, 0.5)
  expect_false("alpha" %in% names(the$task$carried))
})

test_that("an artifact assigned after the merge wins", {
  task <- branch()
  merge_artifacts(task$self, task$inputs, exclude = "x")
  task$self$same <- "mine"
  expect_identical(task$self$same, "mine")
  expect_false("same" %in% names(the$task$carried))
})

test_that("a join without a function takes over what does not conflict", {
  task <- branch()
  merge_agreeing(task$inputs)
  expect_setequal(names(task$self), c("alpha", "same", "only_a", "shared"))
})

test_that("inputs print as a short list", {
  inputs <- branch()$inputs
  expect_snapshot({
    inputs
    inputs$a
  })
  inputs <- foreach(12)$inputs
  expect_snapshot({
    inputs
    inputs[1]
    inputs[0]
  })
})

test_that("inputs complete", {
  inputs <- branch()$inputs
  expect_setequal(utils::.DollarNames(inputs, ""), c("a", "b"))
  expect_setequal(utils::.DollarNames(inputs$a, "^s"), c("shared", "same"))
})
