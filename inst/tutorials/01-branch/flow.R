# A branch: two steps that run side by side, and a join that sees both.
#
#   Rscript flow.R run

library(metaflow)

start <- function(self) {
  self$my_var <- "hello world"
}

a <- function(self) {
  message("my_var is: ", self$my_var)
  self$shout <- toupper(self$my_var)
}

b <- function(self) {
  message("my_var is: ", self$my_var)
  self$letters <- nchar(gsub(" ", "", self$my_var))
}

join <- function(self, inputs) {
  message("a made: ", inputs$a$shout)
  message("b counted: ", inputs$b$letters)
  merge_artifacts(self, inputs)
}

end <- function(self) {
  message(self$shout, " has ", self$letters, " letters")
}

metaflow("BranchFlowR") %>%
  step(
    step = "start",
    r_function = start,
    next_step = c("a", "b")
  ) %>%
  step(
    step = "a",
    r_function = a,
    next_step = "join"
  ) %>%
  step(
    step = "b",
    r_function = b,
    next_step = "join"
  ) %>%
  step(
    step = "join",
    r_function = join,
    next_step = "end",
    join = TRUE
  ) %>%
  step(
    step = "end",
    r_function = end
  ) %>%
  run()
