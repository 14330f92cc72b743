# What start assigns is, everywhere and after every join, identical to what it was.
treasures <- list(
  nothing = NULL,
  missing_values = c(NA, TRUE),
  missing_text = c("a", NA, "gr\u00f6\u00dfer \u6f22"),
  missing_number = c(NA_integer_, 1L),
  odd_numbers = c(NaN, NA, Inf, -0, .Machine$double.xmin, 2^53 + 1),
  empty = integer(0),
  named = c(a = 1, b = 2),
  kinds = factor(c("x", NA, "y"), levels = c("y", "x", "z")),
  day = as.Date("2020-02-29"),
  moment = as.POSIXct(1e9 + 0.25, origin = "1970-01-01", tz = "UTC"),
  duration = as.difftime(90, units = "mins"),
  nested = list(1, list(NULL, "b"), c = list()),
  table = data.frame(x = c(1, NA), when = as.Date(c(NA, "2020-01-01")), text = c("a", "b")),
  grid = matrix(1:6, 2, dimnames = list(NULL, c("a", "b", "c"))),
  bytes = as.raw(0:255),
  large = seq(0, 1, length.out = 20000)
)

give <- function(self) for (name in names(treasures)) self[[name]] <- treasures[[name]]

check <- function(from) {
  for (name in names(treasures)) {
    if (!identical(from[[name]], treasures[[name]])) stop(name, " is not what it was")
  }
}

list(
  start = function(self, inputs) give(self),
  join = function(self, inputs) {
    lapply(inputs, check)
    # A foreach over nothing gives its join nothing.
    if (length(inputs)) merge_artifacts(self, inputs) else give(self)
    check(self)
  },
  all = function(self, inputs) check(self)
)
