# A process of its own each time: what it prints goes elsewhere for good.
printed_by <- function(prepare, folder) {
  script <- file.path(folder, "print.R")
  writeLines(c(
    "the <- metaflow:::the", prepare,
    sprintf("setwd(\"%s\")", folder),
    "metaflow:::redirect_output(\"out\", \"err\")",
    "cat(\"printed\\n\"); system(\"echo from a program; echo complained >&2\"); message(\"said\")",
    "closeAllConnections()",
    "writeLines(\"mine\", \"own file\"); cat(\"printed later\\n\")",
    "metaflow:::redirect_output(\"out 2\", \"err 2\"); cat(\"elsewhere\\n\"); message(\"there\")"
  ), script)
  ended <- processx::run(file.path(R.home("bin"), "Rscript"), c("--vanilla", script), env = c("current", worker_environment()))
  expect_identical(c(ended$stdout, ended$stderr), c("", ""))
  lapply(c(out = "out", err = "err", own = "own file", out2 = "out 2", err2 = "err 2"), function(name) readLines(file.path(folder, name)))
}

everything <- list(
  out = c("printed", "from a program", "printed later"), err = c("complained", "said"), own = "mine",
  out2 = "elsewhere", err2 = "there"
)

test_that("what a process and its programs print goes into the files, whatever the step closes", {
  expect_identical(printed_by(character(), withr::local_tempdir()), everything)
})

test_that("a processx with other routines is called by its functions", {
  expect_identical(printed_by("invisible(metaflow:::find_file_calls(NULL))", withr::local_tempdir()), everything)
})
