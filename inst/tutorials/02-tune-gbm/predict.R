# Read the best model of the latest run back, and predict with it.
library(metaflow)
run <- flow_client$new("TuneGbmFlow")$latest_successful_run
run

run$artifact("leaderboard")[1:3, ]
run$artifact("test_metrics")

# The model is the very object that the flow had.
library(gbm)
model <- run$artifact("best_model")
cells <- run$artifact("test_features")[1:5, ]
probability <- predict(model, cells, n.trees = model$n.trees, type = "response")
data.frame(
  probability = round(probability, 3),
  predicted = ifelse(probability > 0.5, "PS", "WS"),
  expert = run$artifact("test_labels")[1:5]
)
