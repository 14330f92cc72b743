# {{flow}}: what it is about, in a sentence.
#
#   Rscript flow.R run
#   Rscript flow.R run --rows 100
#   Rscript flow.R help

library(metaflow)

# Functions and constants that stand here are there in every step.
scale_of <- c(cm = 1, mm = 10)

load_data <- function(self) {
  self$data <- head(iris, self$rows)
  self$parts <- split(self$data, droplevels(self$data$Species))
}

# Once for each of `parts`, side by side, each in a process of its own.
measure <- function(self) {
  self$result <- data.frame(
    species = self$input$Species[[1]],
    sepal_length_mm = mean(self$input$Sepal.Length) * scale_of[["mm"]]
  )
}

combine <- function(self, inputs) {
  self$results <- do.call(rbind, gather_inputs(inputs, "result"))
}

report <- function(self) {
  print(self$results, row.names = FALSE)
}

metaflow("{{flow}}") %>%
  parameter("rows", default = 150L, help = "How many rows to look at") %>%
  step(
    step = "start",
    r_function = load_data,
    foreach = "parts",
    next_step = "measure"
  ) %>%
  step(
    step = "measure",
    r_function = measure,
    next_step = "combine"
  ) %>%
  step(
    step = "combine",
    r_function = combine,
    join = TRUE,
    next_step = "end"
  ) %>%
  step(
    step = "end",
    r_function = report
  ) %>%
  run()
