# A foreach in a foreach: which curve describes how chicks grow, for each of four diets?
#
#   Rscript flow.R run
#   Rscript flow.R run --max-workers 4

library(metaflow)

start <- function(self) {
  # A list of data frames, one for each diet. `foreach = "diets"` makes a task of each.
  chicks <- as.data.frame(ChickWeight)
  self$diets <- split(chicks, chicks$Diet)
}

prepare <- function(self) {
  self$chicks <- self$input
  self$diet <- as.character(self$input$Diet[[1]])
  # A data frame: one task for each row.
  self$candidates <- expand.grid(degree = 1:3, scale = c("weight", "log(weight)"))
}

# Fitted on three chicks of four, measured on the others.
fit_curve <- function(self) {
  candidate <- self$input
  numbers <- unique(as.integer(as.character(self$chicks$Chick)))
  kept_back <- self$chicks$Chick %in% numbers[seq_along(numbers) %% 4 == 0]

  formula <- as.formula(paste(candidate$scale, "~ poly(Time, ", candidate$degree, ")"))
  model <- lm(formula, data = self$chicks[!kept_back, ])
  predicted <- predict(model, self$chicks[kept_back, ])
  if (candidate$scale == "log(weight)") predicted <- exp(predicted)

  self$model <- model
  self$result <- data.frame(
    diet = self$diet, candidate,
    error = sqrt(mean((predicted - self$chicks$weight[kept_back])^2))
  )
}

# Once for each diet: of its six curves, the best.
best_of_diet <- function(self, inputs) {
  results <- do.call(rbind, gather_inputs(inputs, "result"))
  best <- which.min(results$error)
  self$result <- results[best, ]
  self$model <- inputs[[best]]$model
}

# Once: the best of each diet, side by side.
compare_diets <- function(self, inputs) {
  self$results <- do.call(rbind, gather_inputs(inputs, "result"))
  self$models <- gather_inputs(inputs, "model")
  names(self$models) <- self$results$diet
}

end <- function(self) {
  print(self$results, row.names = FALSE, digits = 3)
}

metaflow("ChickFlow") %>%
  step(
    step = "start",
    r_function = start,
    foreach = "diets",
    next_step = "prepare"
  ) %>%
  step(
    step = "prepare",
    r_function = prepare,
    foreach = "candidates",
    next_step = "fit_curve"
  ) %>%
  step(
    step = "fit_curve",
    r_function = fit_curve,
    next_step = "best_of_diet"
  ) %>%
  step(
    step = "best_of_diet",
    r_function = best_of_diet,
    join = TRUE,
    next_step = "compare_diets"
  ) %>%
  step(
    step = "compare_diets",
    r_function = compare_diets,
    join = TRUE,
    next_step = "end"
  ) %>%
  step(
    step = "end",
    r_function = end
  ) %>%
  run()
