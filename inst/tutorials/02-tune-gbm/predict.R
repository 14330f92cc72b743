# Read the best model of the latest run back, and predict with it.
library(metaflow)

run <- flow_client$new("TuneGbmFlow")$latest_successful_run
run
run$artifact("leaderboard")[1:3, c("interaction.depth", "n.trees", "Accuracy", "Kappa")]
run$artifact("test_metrics")

# The model is the very object that the flow had; predicting with it needs gbm only.
library(gbm)
model <- run$artifact("best_model")
some <- 5:10
cells <- run$artifact("test_features")[some, ]
probability <- predict(model, cells, n.trees = model$n.trees, type = "response")
data.frame(
  probability = round(probability, 3),
  predicted = ifelse(probability > 0.5, "PS", "WS"),
  expert = run$artifact("test_labels")[some]
)
