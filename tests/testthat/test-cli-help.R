# Built in a session, which has no script.
flow <- function(stem = metaflow("HelpFlow")) {
  stem$script <- NULL
  stem %>%
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
  })
})

test_that("help names the script", {
  scripted <- flow()
  scripted$script <- "/some/where/my flow.R"
  expect_match(flow_help(scripted), "Usage: Rscript my flow.R [COMMAND] [OPTIONS]", fixed = TRUE, all = FALSE)
  expect_match(command_help(scripted, "tag"), "Usage: Rscript my flow.R tag ", fixed = TRUE, all = FALSE)
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

test_that("defaults are shown as they would be typed", {
  flow <- metaflow("F") %>%
    parameter("day", default = as.Date("2024-02-29")) %>%
    parameter("words", separator = ";", default = c("a b", "c")) %>%
    parameter("alpha", default = cfg("train.alpha")) %>%
    config("train", default = "train.json") %>%
    include_file("data", required = TRUE)
  expect_snapshot(writeLines(parameter_lines(flow)))
  expect_identical(parameter_repr(as.Date("2024-02-29")), "\"2024-02-29\"")
  expect_identical(parameter_repr(NULL), "NULL")
})
