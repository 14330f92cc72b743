# Tune a gradient boosting model on real data.
#
# 2019 cells seen under a microscope, each measured in 58 ways. An expert said of
# each whether the software had outlined it well (WS) or poorly (PS). Which
# gradient boosting model tells that from the measurements best?
#
#   Rscript flow.R run
#   Rscript flow.R run --folds 10 --report report-10-folds

library(metaflow)

# Hyperparameters to try: one row, one model.
candidates <- expand.grid(
  interaction.depth = c(1, 3, 5),
  n.trees = c(50, 100, 150),
  shrinkage = 0.1,
  n.minobsinnode = 10
)

load_data <- function(self) {
  data("segmentationData", package = "caret", envir = environment())
  features <- subset(segmentationData, select = -c(Cell, Case, Class))
  labels <- segmentationData$Class

  set.seed(self$seed)
  train <- caret::createDataPartition(labels, p = self$train_fraction)[[1]]

  self$features <- features[train, ]
  self$labels <- labels[train]
  self$test_features <- features[-train, ]
  self$test_labels <- labels[-train]
  self$grid <- candidates
  message(length(train), " cells to learn from, ", nrow(self$test_features), " to test on")
}

fit_models <- function(self) {
  library(caret)
  param <- self$input
  train_control <- trainControl(
    method = "cv",
    number = self$folds
  )
  grid <- data.frame(
    interaction.depth = param$interaction.depth,
    shrinkage = param$shrinkage,
    n.trees = param$n.trees,
    n.minobsinnode = param$n.minobsinnode
  )

  # The same seed gives every candidate the same folds.
  set.seed(self$seed)
  gbmfit <- train(
    x = self$features,
    y = self$labels,
    method = "gbm",
    tuneGrid = grid,
    trControl = train_control,
    verbose = FALSE
  )

  self$model <- gbmfit$finalModel
  self$fit <- gbmfit$results
  message("depth ", param$interaction.depth, ", ", param$n.trees, " trees: accuracy ",
          round(self$fit$Accuracy, 3))
}

# The probability of the first label, "PS".
predict_probability <- function(model, features) {
  gbm::predict.gbm(model, features, n.trees = model$n.trees, type = "response")
}

# The area under the ROC curve: how often a cell that has the label gets a higher
# probability of it than a cell that has not.
area_under_curve <- function(probability, is_positive) {
  ranks <- rank(probability)
  positives <- sum(is_positive)
  negatives <- sum(!is_positive)
  (sum(ranks[is_positive]) - positives * (positives + 1) / 2) / (positives * negatives)
}

measure <- function(probability, labels) {
  first <- levels(labels)[[1]]
  second <- levels(labels)[[2]]
  predicted <- ifelse(probability > 0.5, first, second)
  data.frame(
    metric = c("accuracy", "sensitivity", "specificity", "area under curve"),
    value = c(
      mean(predicted == labels),
      mean(predicted[labels == first] == first),
      mean(predicted[labels == second] == second),
      area_under_curve(probability, labels == first)
    )
  )
}

pick_best <- function(self, inputs) {
  merge_artifacts(self, inputs, exclude = c("model", "fit"))

  results <- do.call(rbind, gather_inputs(inputs, "fit"))
  ranking <- order(results$Accuracy, decreasing = TRUE)
  self$leaderboard <- data.frame(rank = seq_along(ranking), results[ranking, ], row.names = NULL)
  self$best_model <- inputs[[ranking[[1]]]]$model

  probability <- predict_probability(self$best_model, self$test_features)
  self$test_metrics <- measure(probability, self$test_labels)
  message("Best of ", nrow(results), ": ", self$best_model$n.trees, " trees of depth ",
          self$best_model$interaction.depth)
}

markdown_table <- function(df) {
  cells <- lapply(format(df, digits = 4), trimws)
  rows <- do.call(paste, c(cells, sep = " | "))
  c(
    paste("|", paste(names(df), collapse = " | "), "|"),
    paste0("|", strrep("---|", ncol(df))),
    paste("|", rows, "|")
  )
}

plot_tuning <- function(leaderboard) {
  accuracy <- with(leaderboard, tapply(Accuracy, list(n.trees, interaction.depth), mean))
  trees <- as.numeric(rownames(accuracy))
  matplot(
    trees, accuracy,
    type = "b", pch = 19, lty = 1, las = 1, col = seq_len(ncol(accuracy)),
    xlab = "trees", ylab = "", main = "Cross-validated accuracy"
  )
  legend(
    "bottomright", title = "depth", legend = colnames(accuracy),
    col = seq_len(ncol(accuracy)), pch = 19, lty = 1, bty = "n"
  )
}

plot_influence <- function(model, count = 10) {
  influence <- head(summary(model, plotit = FALSE), count)
  old <- par(mar = c(4, 11, 3, 1))
  on.exit(par(old))
  barplot(
    rev(influence$rel.inf),
    names.arg = rev(influence$var),
    horiz = TRUE, las = 1, border = NA, col = "steelblue",
    xlab = "relative influence (%)", main = "What the best model looks at"
  )
}

write_report <- function(self) {
  library(gbm)
  dir.create(self$report, recursive = TRUE, showWarnings = FALSE)
  in_report <- function(name) file.path(self$report, name)

  write.csv(self$leaderboard, in_report("leaderboard.csv"), row.names = FALSE)
  write.csv(self$test_metrics, in_report("test_metrics.csv"), row.names = FALSE)

  png(in_report("tuning.png"), width = 1200, height = 500, res = 110)
  par(mfrow = c(1, 2))
  plot_tuning(self$leaderboard)
  plot_influence(self$best_model)
  dev.off()

  writeLines(c(
    paste("# Run", current("run_id"), "of", current("flow_name")),
    "",
    paste("On", length(self$test_labels), "cells the model has never seen:"),
    "",
    markdown_table(self$test_metrics),
    "",
    paste("All candidates, by", self$folds, "fold cross-validation:"),
    "",
    markdown_table(self$leaderboard),
    "",
    "![Accuracy of the candidates, and what the best one looks at](tuning.png)"
  ), in_report("report.md"))
  message("Report written to ", in_report("report.md"))
}

metaflow("TuneGbmFlow") %>%
  parameter("seed", default = 42L, help = "Makes the split and the folds repeatable") %>%
  parameter("folds", default = 5L, help = "Folds of the cross-validation") %>%
  parameter("train_fraction", default = 0.75, help = "Share of the cells to learn from") %>%
  parameter("report", default = "report", help = "Folder that the report is written to") %>%
  step(
    step = "start",
    r_function = load_data,
    foreach = "grid",
    next_step = "fit_models"
  ) %>%
  step(
    step = "fit_models",
    r_function = fit_models,
    next_step = "pick_best"
  ) %>%
  step(
    step = "pick_best",
    r_function = pick_best,
    join = TRUE,
    next_step = "end"
  ) %>%
  step(
    step = "end",
    r_function = write_report
  ) %>%
  run()
