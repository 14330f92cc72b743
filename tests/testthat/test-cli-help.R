flow <- function() {
  metaflow("HelpFlow") %>%
    parameter("alpha", default = 0.5, help = "learning rate") %>%
    parameter("path", required = TRUE) %>%
    parameter("features", separator = ",", default = "a,b") %>%
    parameter("verbose", is_flag = TRUE, help = "say more") %>%
    parameter("day", type = "date", default = function(context) Sys.Date()) %>%
    parameter("config", type = "json", default = list(a = 1)) %>%
    step(step = "start", next_step = "end") %>%
    step(step = "end")
}

# Every line that help shows; in a script it starts with the script's name.
test_that("help shows the commands and parameters", {
  expect_snapshot({
    writeLines(flow_help(flow()))
    writeLines(flow_help(metaflow("OneStep") %>% step(step = "start")))
  })
})

test_that("each command has help of its own", {
  expect_snapshot(for (name in names(commands())) {
    writeLines(command_help(flow(), name))
    cat("---\n")
  })
})

test_that("no line of help is wider than a usual terminal", {
  lines <- c(flow_help(flow()), unlist(lapply(names(commands()), command_help, flow = flow())))
  expect_lte(max(nchar(lines)), 100)
  expect_false(any(grepl(" $", lines)))
})

test_that("every command says what it does", {
  for (entry in commands()) {
    expect_true(nzchar(entry$about))
    expect_true("help" %in% vapply(entry$options, function(o) o$name, ""))
  }
})
