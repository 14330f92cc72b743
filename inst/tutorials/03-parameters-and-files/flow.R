# Parameters and files: how warm must it be in New York for the ozone to be bad?
#
# 153 days of 1973, measured at Roosevelt Island and at LaGuardia Airport.
#
#   Rscript flow.R run
#   Rscript flow.R run --months 7,8 --degree 2 --report summer.png
#   Rscript flow.R help

library(metaflow)

read_days <- function(self) {
  # The file as it was when the run began, read by the parser below.
  days <- subset(self$measured, Month %in% as.integer(self$months) & !is.na(Ozone))
  if (nrow(days) < 20) {
    stop("only ", nrow(days), " days are left of the months ", paste(self$months, collapse = ", "))
  }
  self$days <- days
  message(nrow(days), " of ", nrow(self$measured), " days to look at")
}

fit <- function(self) {
  self$model <- lm(Ozone ~ poly(Temp, self$degree), data = self$days)
  self$explained <- summary(self$model)$r.squared
  message("The temperature explains ", round(100 * self$explained), " % of the ozone")
}

draw <- function(self) {
  temperatures <- seq(min(self$days$Temp), max(self$days$Temp))
  png(self$report, width = self$look$width, height = self$look$height, res = 110)
  plot(
    Ozone ~ Temp, data = self$days,
    pch = 19, col = self$look$colour, las = 1,
    xlab = "temperature (degrees F)", ylab = "ozone (ppb)"
  )
  lines(temperatures, predict(self$model, data.frame(Temp = temperatures)), lwd = 2)
  if (!is.na(self$limit)) abline(h = self$limit, lty = 2)
  dev.off()
  message("Drawn to ", self$report)
}

metaflow("OzoneFlow") %>%
  include_file("measured", default = "airquality.csv", parser = read.csv, help = "Measurements, one day a row") %>%
  config("look", default = "look.json", help = "Size and colour of the picture") %>%
  parameter("months", default = "5,6,7,8,9", separator = ",", help = "Months to look at") %>%
  parameter("degree", default = 1L, help = "Degree of the curve") %>%
  parameter("limit", default = NA_real_, help = "Draws a line at so much ozone") %>%
  parameter("report", default = "ozone.png", help = "Picture to draw") %>%
  step(
    step = "start",
    r_function = read_days,
    next_step = "fit"
  ) %>%
  step(
    step = "fit",
    r_function = fit,
    next_step = "end"
  ) %>%
  step(
    step = "end",
    r_function = draw
  ) %>%
  run()
