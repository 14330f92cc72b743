# A small flow to look back at: how many kinds of iris are there, when nobody tells?
#
#   Rscript flow.R run --clusters 3
#   Rscript look.R

library(metaflow)

start <- function(self) {
  self$flowers <- scale(iris[, 1:4])
  self$species <- iris$Species
}

group <- function(self) {
  self$model <- kmeans(self$flowers, centers = self$clusters, nstart = 20)
  self$explained <- self$model$betweenss / self$model$totss
}

end <- function(self) {
  self$table <- table(cluster = self$model$cluster, species = self$species)
  print(self$table)
  message(self$clusters, " clusters explain ", round(100 * self$explained), " %")
}

metaflow("IrisFlow") %>%
  parameter("clusters", default = 3L, help = "How many clusters to look for") %>%
  step(
    step = "start",
    r_function = start,
    next_step = "group"
  ) %>%
  step(
    step = "group",
    r_function = group,
    next_step = "end"
  ) %>%
  step(
    step = "end",
    r_function = end
  ) %>%
  run()
