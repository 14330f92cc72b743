test_that("the functions of a script are found with their lines", {
  script <- withr::local_tempfile(fileext = ".R", lines = c(
    "x <- 1",
    "f <- function(a) {",
    "  a + 1",
    "}",
    "g <- lapply(1:2, function(i) function(self) i)"
  ))
  index <- source_index(script)
  expect_length(index$twins, 3)
  line <- function(f) as.integer(attr(f, "srcref"))[[1]]
  expect_identical(vapply(index$twins, line, 0L), c(2L, 5L, 5L))
})

test_that("a global function with the text of another has its own line", {
  script <- withr::local_tempfile(fileext = ".R", lines = c("a <- function(self) stop('x')", "", "b <- function(self) stop('x')"))
  index <- source_index(script)
  # As under Rscript, where each expression is parsed alone.
  b <- eval(parse(text = "b <- function(self) stop('x')", keep.source = TRUE), new.env())
  expect_identical(source_place(attr(place_in_source(b, index), "srcref"))$line, 3L)
})

test_that("a captured function gets its place, and keeps its environment and attributes", {
  script <- withr::local_tempfile(fileext = ".R", lines = c("# a comment", "f <- function(a) {", "  a + n", "}"))
  f <- eval(parse(text = "function(a) {\n  a + n\n}", keep.source = FALSE), list2env(list(n = 5)))
  attr(f, "note") <- "kept"
  class(f) <- c("special", "function")
  placed <- place_in_source(f, source_index(script))
  expect_identical(unclass(placed)(1), 6)
  expect_identical(attr(placed, "note"), "kept")
  expect_s3_class(placed, "special")
  expect_identical(source_place(attr(placed, "srcref")), list(file = basename(script), line = 2L))
})

test_that("functions that are not in the script, primitives and S4 generics are left as they are", {
  script <- withr::local_tempfile(fileext = ".R", lines = "f <- function(a) a")
  index <- source_index(script)
  other <- function(b) b
  expect_identical(place_in_source(other, index), other)
  expect_identical(place_in_source(sum, index), sum)
  expect_identical(place_in_source(methods::show, index), methods::show)
  expect_identical(place_in_source(other, NULL), other)
})

test_that("a script that is not there or does not parse gives no index", {
  expect_null(source_index(NULL))
  expect_null(source_index("/nowhere/flow.R"))
  expect_null(source_index(withr::local_tempfile(lines = "f <- function( {")))
})

test_that("the script is the one that Rscript was given", {
  script <- withr::local_tempfile(fileext = ".R", lines = "1")
  expect_identical(script_file(c("R", "--no-echo", paste0("--file=", script), "--args", "run")), normalizePath(script))
  spaced <- file.path(withr::local_tempdir(pattern = "with spaces "), "my flow.R")
  file.create(spaced)
  expect_identical(script_file(paste0("--file=", gsub(" ", "~+~", spaced))), normalizePath(spaced))
  expect_null(script_file(c("R", "--interactive")))
  expect_null(script_file(c("R", "--file=/nowhere/flow.R")))
})

# Lines such as "flow.R:12: f(x)" of what a failed run printed.
places_in <- function(done) {
  regmatches(done$stdout, gregexpr("[A-Za-z_. ]+[.]R:[0-9]+: [^\n]*", done$stdout))[[1]] |> trimws()
}

test_that("errors show file and line in sourced helpers, nested functions and functions of a loop", {
  folder <- local_flow_folder()
  writeLines(c(
    "# helpers",                       # 1
    "inner <- function(x) {",          # 2
    "  y <- x",                        # 3
    "  log(-1 - y) + undefined_thing", # 4
    "}",                               # 5
    "outer_one <- function(x)",        # 6
    "  inner(x)"                       # 7
  ), file.path(folder, "my helpers.R"))
  write_flow(folder, c(                                       # library(metaflow) is line 1
    "source('my helpers.R'); table_of_functions <- list(log = function(x) outer_one(x))", # 2
    "makers <- lapply(1:2, function(i) {",                    # 3
    "  function(self) {",                                     # 4
    "    sapply(1, function(k) outer_one(k))",                # 5
    "  }",                                                    # 6
    "})",                                                     # 7
    "metaflow('PlaceFlow') %>%",                              # 8
    "  step(step = 'start', next_step = c('a', 'b')) %>%",    # 9
    "  step(step = 'a', next_step = 'join', r_function = makers[[2]]) %>%",  # 10
    "  step(step = 'b', next_step = 'join', r_function = function(self) {",  # 11
    "    quietly <- suppressWarnings(table_of_functions$log(2))", # 12
    "  }) %>%",                                               # 13
    "  step(step = 'join', join = TRUE, next_step = 'end') %>%",
    "  step(step = 'end') %>%",
    "  run(max_workers = 2)"
  ))
  done <- run_flow(folder)
  expect_identical(done$status, 1L)
  places <- places_in(done)
  # Without braces a body has no lines of its own: R knows where the function begins.
  expect_true(all(c("flow.R:5: outer_one(k)", "my helpers.R:6: inner(x)", "flow.R:2: outer_one(x)", "flow.R:12: suppressWarnings(table_of_functions$log(2))") %in% places), info = paste(places, collapse = "\n"))
  expect_match(done$stdout, "object 'undefined_thing' not found", fixed = TRUE)
})

test_that("equal functions at different places are told apart", {
  folder <- local_flow_folder()
  write_flow(folder, c(
    "metaflow('TwinFlow') %>%",                                # 2
    "  step(step = 'start', next_step = c('a', 'b')) %>%",     # 3
    "  step(step = 'a', next_step = 'join', r_function = function(self) {",  # 4
    "    stop('twin')",                                        # 5
    "  }) %>%",                                                # 6
    "  step(step = 'b', next_step = 'join', r_function = function(self) {",  # 7
    "    stop('twin')",                                        # 8
    "  }) %>%",                                                # 9
    "  step(step = 'join', join = TRUE, next_step = 'end') %>%",
    "  step(step = 'end') %>%",
    "  run(max_workers = 2)"
  ))
  done <- run_flow(folder)
  expect_setequal(places_in(done), c("flow.R:5: stop(\"twin\")", "flow.R:8: stop(\"twin\")"))
})
