# Do not do the same work twice, and do it on a larger machine when it is too much for this one.
#
# When does Old Faithful erupt next? The bootstrap says how sure a model is of that.
#
#   Rscript flow.R run
#   Rscript flow.R run               # again: what is known is taken over
#   Rscript flow.R run --size 400    # more of it: only that is computed

library(metaflow)

start <- function(self) {
  self$eruptions <- faithful
  self$seeds <- 1:4
}

# The same rows, the same seed and the same code give the same numbers: that is what the cache needs.
bootstrap <- function(self) {
  set.seed(self$input)
  self$slopes <- replicate(self$size, {
    rows <- sample(nrow(self$eruptions), replace = TRUE)
    coef(lm(waiting ~ eruptions, data = self$eruptions[rows, ]))[["eruptions"]]
  })
}

combine <- function(self, inputs) {
  slopes <- unlist(gather_inputs(inputs, "slopes"))
  self$count <- length(slopes)
  self$interval <- quantile(slopes, c(0.025, 0.5, 0.975))
}

end <- function(self) {
  message("A minute more of eruption, ", round(self$interval[[2]], 1), " minutes more to wait (",
          round(self$interval[[1]], 1), " to ", round(self$interval[[3]], 1), "; ", self$count, " samples)")
}

metaflow("GeyserFlow") %>%
  parameter("size", default = 200L, help = "Samples of each task") %>%
  step(
    step = "start",
    r_function = start,
    foreach = "seeds",
    next_step = "bootstrap"
  ) %>%
  step(
    step = "bootstrap",
    decorator("cache"),
    resources(cpu = 1, memory = 500),
    r_function = bootstrap,
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
    r_function = end
  ) %>%
  run()
