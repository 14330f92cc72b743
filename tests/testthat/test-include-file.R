stem <- function() metaflow("FileFlow")

test_that("a file arrives as text, raw vector, path or what a parser makes of it, and is stored once by its content", {
  folder <- local_flow_folder()
  writeBin(charToRaw("a,b\n1,\u00e4\n"), "data.csv")
  file.copy("data.csv", "same.csv")
  flow <- stem() %>%
    include_file("text", default = "data.csv") %>%
    include_file("bytes", default = "same.csv", is_text = FALSE) %>%
    include_file("frame", default = "data.csv", parser = read.csv) %>%
    include_file("where", default = "data.csv", parser = "path") %>%
    include_file("none") %>%
    step(step = "start", next_step = c("a", "b")) %>%
    step(step = "a", next_step = "join", r_function = function(self) {
      stopifnot(identical(self$text, "a,b\n1,\u00e4\n"), identical(self$bytes, charToRaw("a,b\n1,\u00e4\n")))
      stopifnot(identical(self$frame, data.frame(a = 1L, b = "\u00e4")), is.null(self$none))
      stopifnot(basename(self$where) == "data.csv", identical(readLines(self$where), c("a,b", "1,\u00e4")))
      unlink("data.csv")
    }) %>%
    step(step = "b", next_step = "join") %>%
    step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) self$seen <- inputs$a$text) %>%
    step(step = "end", r_function = function(self) stopifnot(nchar(self$text) == 8L, self$frame$a == 1L))
  utils::capture.output(result <- run(flow))
  expect_true(result == 0L)
  expect_identical(result$run$artifact("seen"), "a,b\n1,\u00e4\n")
  expect_identical(result$run$parameters$text, "a,b\n1,\u00e4\n")
  expect_identical(result$run$parameters$bytes, charToRaw("a,b\n1,\u00e4\n"))
  content <- Filter(function(file) identical(readBin(file, "raw", 99), charToRaw("a,b\n1,\u00e4\n")), list.files("store/blobs", recursive = TRUE, full.names = TRUE))
  expect_length(content, 1)
})

test_that("a file is given by the command line or run(), a default lies beside the script", {
  folder <- local_flow_folder()
  dir.create("elsewhere")
  writeLines("of the script", "note.txt")
  writeLines("given", file.path("elsewhere", "note.txt"))
  write_flow(folder, '
    metaflow("FileFlow") %>%
      include_file("note", default = "note.txt", help = "words") %>%
      step(step = "start", next_step = "end", r_function = function(self) cat("note:", self$note)) %>%
      step(step = "end") %>%
      run()
  ')
  expect_match(run_flow_well(folder, "run", "--note", "elsewhere/note.txt")$stdout, "note: given")
  expect_match(run_flow_well(file.path(folder, "elsewhere"), "run", file = "../flow.R")$stdout, "note: of the script")
  missing <- run_flow(folder, "run", "--note", "nowhere.txt")
  expect_identical(missing$status, 2L)
  expect_match(missing$stderr, "The file of parameter 'note' does not exist: nowhere.txt")
  expect_match(run_flow_well(folder, "help")$stdout, "--note FILE +words \\[default \"note.txt\"\\]")
})

run_flow_well <- function(folder, ..., file = "flow.R") {
  done <- run_flow(folder, ..., file = file)
  if (done$status != 0L) stop(done$stdout, done$stderr)
  done
}

test_that("mistakes are told at once", {
  folder <- local_flow_folder()
  writeBin(as.raw(c(0x89, 0x50, 0x00)), "picture.png")
  value <- function(...) parameter_values(stem() %>% include_file("data", ...), list())
  expect_snapshot(error = TRUE, {
    stem() %>% include_file()
    stem() %>% include_file("data", parser = "csv")
    stem() %>% include_file("data", default = 3)
    stem() %>% parameter("data") %>% include_file("data")
    value(required = TRUE)
    value(default = "nowhere.csv")
    value(default = "picture.png")
    parameter_values(stem() %>% include_file("data"), list(data = 7))
  })
  expect_s3_class(value(default = "picture.png", is_text = FALSE)$data, "metaflow_included")
})
