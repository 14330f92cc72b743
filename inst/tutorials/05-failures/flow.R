# What can go wrong, and what a flow does about it.
#
# Five growth curves are fitted to an enzyme assay. Not every curve suits the data, one takes forever, the
# source of the data is unreliable, and nobody has approved the result yet.
#
#   Rscript flow.R run       # fails in the step 'end'
#   touch approved           # or file.create("approved") in R
#   Rscript flow.R resume    # goes on where it stopped

library(metaflow)

# Data often come from a place that fails now and then. This one fails the first time, so that you see it.
fetch <- function(self) {
  if (current("retry_count") == 0) stop("the server is busy")
  self$assay <- as.data.frame(DNase)
  self$curves <- c(
    logistic = "SSlogis(log(conc), Asym, xmid, scal)",
    four_parameters = "SSfpl(log(conc), A, B, xmid, scal)",
    michaelis_menten = "SSmicmen(conc, Vm, K)",
    two_exponentials = "SSbiexp(conc, A1, lrc1, A2, lrc2)",
    endless = "an integral without end"
  )
}

fit <- function(self) {
  if (names(self$curves)[[self$index + 1]] == "endless") repeat integrate(dnorm, -Inf, Inf)
  formula <- as.formula(paste("density ~", self$input))
  self$model <- nls(formula, data = self$assay)
  self$error <- sigma(self$model)
}

# What was caught is in `problem`, and NULL where all went well.
compare <- function(self, inputs) {
  curves <- names(inputs[[1]]$curves)
  problems <- gather_inputs(inputs, "problem")
  fitted <- which(vapply(problems, is.null, NA))
  for (i in setdiff(seq_along(curves), fitted)) {
    message(curves[[i]], ": ", conditionMessage(problems[[i]]))
  }

  self$table <- data.frame(
    curve = curves[fitted],
    error = vapply(inputs[fitted], function(input) input$error, 0)
  )
  best <- which.min(self$table$error)
  self$best <- self$table$curve[[best]]
  self$model <- inputs[[fitted[[best]]]]$model
}

approve <- function(self) {
  if (!file.exists("approved")) stop("nobody has approved the curve '", self$best, "' yet")
  message("Approved: ", self$best)
}

metaflow("AssayFlow") %>%
  step(
    step = "start",
    retry(times = 2, minutes_between_retries = 0),
    r_function = fetch,
    foreach = "curves",
    next_step = "fit"
  ) %>%
  step(
    step = "fit",
    timeout(seconds = 3),
    catch(var = "problem", print_exception = FALSE),
    r_function = fit,
    next_step = "compare"
  ) %>%
  step(
    step = "compare",
    r_function = compare,
    join = TRUE,
    next_step = "end"
  ) %>%
  step(
    step = "end",
    r_function = approve
  ) %>%
  run()
