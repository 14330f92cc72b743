# The edge to the editor is a stand-in with its three functions; scripts, processes and pictures are real.
editor_with <- function(path, terminal = NULL) {
  saved <- new.env()
  list(path = function() path, save = function() saved$done <- TRUE, terminal = terminal, saved = saved)
}

branch_script <- '
metaflow("AddinFlow") %>%
  step(step = "start", foreach = "xs", next_step = "each", r_function = function(self) self$xs <- 1:2) %>%
  step(retry(times = 1), step = "each", next_step = "all") %>%
  step(step = "all", join = TRUE, next_step = "end") %>%
  step(step = "end", r_function = function(self) if (!file.exists("go")) stop("not yet")) %>%
  run()
'

test_that("the addins are those that the file for the editors names", {
  addins <- read.dcf(system.file("rstudio", "addins.dcf", package = "metaflow"))
  expect_identical(unname(addins[, "Name"]), c("Run flow", "Resume", "Show graph"))
  for (name in addins[, "Binding"]) expect_true(is.function(get(name, asNamespace("metaflow"))))
})

test_that("run and resume are typed into a terminal, in the folder of the script, which is saved before", {
  folder <- local_flow_folder()
  typed <- NULL
  editor <- editor_with(write_flow(folder, branch_script), function(command, folder) typed <<- c(command, folder))
  addin_run_flow(editor)
  expect_true(editor$saved$done)
  expect_match(typed[[1]], "Rscript' 'flow.R' run$")
  expect_identical(typed[[2]], folder)
  addin_resume(editor)
  expect_match(typed[[1]], "'flow.R' resume$")
})

test_that("without a terminal the console shows the run; the graph is drawn of what the script says", {
  folder <- local_flow_folder()
  withr::local_envvar(TESTTHAT = NA)
  editor <- editor_with(write_flow(folder, branch_script))
  expect_output(status <- addin_run_flow(editor), "AddinFlow/1")
  expect_identical(status, 1L)
  file.create("go")
  expect_output(status <- addin_resume(editor), "AddinFlow/2.*completed")
  expect_identical(status, 0L)

  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graph <- addin_show_graph(editor)
  expect_identical(names(graph$cards), c("start", "each", "all", "end"))
  expect_identical(vapply(graph$cards, function(card) card$depth, 0L), c(start = 0L, each = 1L, all = 0L, end = 0L))
  expect_identical(graph$cards$each$lines, "retry")
  expect_identical(graph$arrows$label[[1]], "foreach xs")
  expect_identical(mf_runs("AddinFlow")$run_id, c("2", "1"))
})

test_that("what cannot be run is said, and what can be done about it", {
  folder <- local_flow_folder()
  writeLines("summary(iris)", file.path(folder, "other.R"))
  expect_snapshot(error = TRUE, {
    addin_run_flow(editor_with(""))
    addin_run_flow(editor_with(NULL))
    addin_show_graph(editor_with(file.path(folder, "other.R")))
  })
  skip_if_not(inherits(tryCatch(open_editor(), error = identity), "error"), "an editor is there")
  expect_snapshot(error = TRUE, addin_run_flow())
})
