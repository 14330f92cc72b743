# The tutorials' step functions are ordinary R functions: here they are called with an
# environment as `self`, without an engine.

# The functions of a tutorial, and nothing run.
tutorial <- function(name) {
  scope <- new.env(parent = globalenv())
  scope$run <- function(flow, ...) flow
  scope$current <- function(name) "1"
  sys.source(system.file("tutorials", name, "flow.R", package = "metaflow"), envir = scope)
  scope
}

# A few of the cells, which are enough to see that fitting works.
caret_cells <- function(count = 200) {
  data("segmentationData", package = "caret", envir = environment())
  cells <- head(segmentationData, count)
  list(features = cells[, 4:12], labels = cells$Class)
}

test_that("the branch tutorial's branches make what its README says", {
  steps <- tutorial("01-branch")
  self <- list2env(list(my_var = "hello world"))
  expect_message(steps$a(self), "my_var is: hello world")
  expect_message(steps$b(self), "my_var is: hello world")
  expect_equal(self$shout, "HELLO WORLD")
  expect_equal(self$letters, 10L)
})

test_that("tune-gbm splits the cells without overlap, the same way for the same seed", {
  skip_if_not_installed("caret")
  steps <- tutorial("02-tune-gbm")
  split_with <- function(seed) {
    self <- list2env(list(seed = seed, train_fraction = 0.75))
    suppressMessages(steps$load_data(self))
    self
  }
  self <- split_with(1L)
  expect_equal(nrow(self$features) + nrow(self$test_features), 2019)
  expect_length(intersect(rownames(self$features), rownames(self$test_features)), 0)
  expect_equal(length(self$labels), nrow(self$features))
  expect_false(any(c("Cell", "Case", "Class") %in% names(self$features)))
  expect_identical(split_with(1L)$labels, self$labels)
  expect_false(identical(split_with(2L)$labels, self$labels))
  expect_s3_class(self$grid, "data.frame")
})

test_that("tune-gbm measures predictions correctly", {
  steps <- tutorial("02-tune-gbm")
  expect_equal(steps$area_under_curve(c(0.9, 0.8, 0.2, 0.1), c(TRUE, TRUE, FALSE, FALSE)), 1)
  expect_equal(steps$area_under_curve(c(0.1, 0.2, 0.8, 0.9), c(TRUE, TRUE, FALSE, FALSE)), 0)
  expect_equal(steps$area_under_curve(c(0.5, 0.5, 0.5, 0.5), c(TRUE, FALSE, TRUE, FALSE)), 0.5)

  labels <- factor(c("PS", "PS", "WS", "WS", "WS"))
  metrics <- steps$measure(c(0.9, 0.4, 0.6, 0.2, 0.1), labels)
  value <- setNames(metrics$value, metrics$metric)
  expect_equal(value[["accuracy"]], 3 / 5)
  expect_equal(value[["sensitivity"]], 1 / 2)
  expect_equal(value[["specificity"]], 2 / 3)
  expect_equal(value[["area under curve"]], 5 / 6)
})

test_that("tune-gbm fits one candidate and writes its report", {
  skip_if_not_installed("caret")
  skip_if_not_installed("gbm")
  steps <- tutorial("02-tune-gbm")
  cells <- caret_cells()
  self <- list2env(list(seed = 1L, folds = 2L, features = cells$features, labels = cells$labels))
  self$input <- data.frame(interaction.depth = 1, n.trees = 20, shrinkage = 0.1, n.minobsinnode = 10)
  suppressWarnings(suppressMessages(steps$fit_models(self)))
  expect_s3_class(self$model, "gbm")
  expect_equal(self$fit$n.trees, 20)

  probability <- steps$predict_probability(self$model, cells$features)
  report <- withr::local_tempdir()
  end <- list2env(list(
    report = file.path(report, "deep", "down"), folds = 2L,
    leaderboard = data.frame(rank = 1L, self$fit), best_model = self$model,
    test_labels = cells$labels, test_metrics = steps$measure(probability, cells$labels)
  ))
  suppressMessages(steps$write_report(end))
  expect_setequal(
    list.files(end$report),
    c("leaderboard.csv", "test_metrics.csv", "report.md", "tuning.png")
  )
  expect_match(readLines(file.path(end$report, "report.md")), "^\\| accuracy \\|", all = FALSE)
})

test_that("what is there is not overwritten", {
  withr::local_dir(withr::local_tempdir())
  dir.create("metaflow-tutorials")
  writeLines("mine", "metaflow-tutorials/notes.txt")
  expect_snapshot(pull_tutorials("."), error = TRUE)
  expect_identical(list.files("metaflow-tutorials"), "notes.txt")
})
