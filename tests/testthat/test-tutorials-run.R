# Every tutorial is run as its README says, from a copy that pull_tutorials() made.

# The folder of a copy of one tutorial, with a datastore of its own.
local_tutorial <- function(name, env = parent.frame()) {
  folder <- local_flow_folder(env)
  copies <- suppressMessages(pull_tutorials(folder))
  file.path(copies, name)
}

run_tutorial <- function(folder, ...) {
  done <- run_flow(folder, ...)
  if (done$status != 0L) stop(basename(folder), " failed:\n", done$stdout, done$stderr)
  paste0(done$stdout, done$stderr)
}

tutorial_names <- function() sort(list.files(system.file("tutorials", package = "metaflow")))

test_that("there are tutorials 00 to 07, each with a flow and a README that speaks of what exists", {
  expect_identical(substr(tutorial_names(), 1, 3), sprintf("%02d-", 0:7))
  for (name in tutorial_names()) {
    folder <- system.file("tutorials", name, package = "metaflow")
    expect_true(all(c("flow.R", "README.md") %in% list.files(folder)), label = name)
    text <- readLines(file.path(folder, "README.md"))
    typed <- sub("^Rscript flow[.]R ([a-z-]+).*$", "\\1", grep("^Rscript flow[.]R ", text, value = TRUE))
    expect_identical(setdiff(typed, names(commands())), character(), label = name)
    called <- unlist(regmatches(text, gregexpr("\\bmf_[a-z_]+(?=\\()", text, perl = TRUE)))
    expect_identical(setdiff(called, getNamespaceExports("metaflow")), character(), label = name)
  }
})

test_that("pull_tutorials() copies them and overwrites nothing", {
  folder <- local_flow_folder()
  expect_message(copies <- pull_tutorials(folder), "Tutorials are in")
  expect_identical(sort(list.files(copies)), tutorial_names())
  expect_error(pull_tutorials(folder), "exists already", class = "metaflow_usage_error")
})

test_that("00-helloworld", {
  expect_match(run_tutorial(local_tutorial("00-helloworld")), "Hello from R, says run 1")
})

test_that("01-branch", {
  expect_match(run_tutorial(local_tutorial("01-branch")), "HELLO WORLD has 10 letters")
})

test_that("02-tune-gbm", {
  skip_if_not_installed("caret")
  skip_if_not_installed("gbm")
  folder <- local_tutorial("02-tune-gbm")
  expect_match(run_tutorial(folder, "run", "--folds", "2", "--train_fraction", "0.2"), "Best of 9")
  expect_true(all(c("report.md", "tuning.png", "leaderboard.csv") %in% list.files(file.path(folder, "report"))))
  expect_match(run_tutorial(folder, file = "predict.R"), "probability predicted expert")
})

test_that("03-parameters-and-files", {
  folder <- local_tutorial("03-parameters-and-files")
  expect_match(run_tutorial(folder, "run", "--months", "7,8", "--degree", "2", "--report", "summer.png", "--limit", "60"), "52 of 153 days")
  expect_true(file.exists(file.path(folder, "summer.png")))
  run <- flow_client$new("OzoneFlow")$latest_run
  expect_identical(run$parameters$months, c("7", "8"))
  refused <- run_flow(folder, "run", "--degre", "2")
  expect_identical(refused$status, 2L)
  expect_match(refused$stderr, "Did you mean '--degree'?", fixed = TRUE)
})

test_that("04-foreach", {
  folder <- local_tutorial("04-foreach")
  run_tutorial(folder)
  run <- flow_client$new("ChickFlow")$latest_run
  expect_identical(as.character(run$data$results$diet), c("1", "2", "3", "4"))
  expect_length(run$steps$fit_curve$tasks, 24)
  expect_s3_class(run$data$models[["4"]], "lm")
})

test_that("05-failures", {
  folder <- local_tutorial("05-failures")
  failed <- run_flow(folder, "run")
  expect_identical(failed$status, 1L)
  expect_match(failed$stdout, "nobody has approved")
  file.create(file.path(folder, "approved"))
  expect_match(run_tutorial(folder, "resume"), "Approved: four_parameters")
  run <- flow_client$new("AssayFlow")$run(1)
  expect_identical(unname(vapply(run$steps$fit$tasks, function(task) task$status, "")), c("done", "done", "done", "caught", "caught"))
  expect_identical(run$steps$start$a_task$attempts$status, c("failed", "done"))
})

test_that("06-looking-back", {
  folder <- local_tutorial("06-looking-back")
  for (k in 2:3) run_tutorial(folder, "run", "--clusters", k, "--tag", "tutorial")
  shown <- run_tutorial(folder, file = "look.R")
  expect_match(shown, "IrisFlow/2/end/3/table\ncomes from")
  expect_match(shown, "<metaflow summary> IrisFlow/2: completed")
  expect_true(all(file.exists(file.path(folder, c("run.png", "timeline.png")))))
})

test_that("07-cache-and-scale", {
  folder <- local_tutorial("07-cache-and-scale")
  run_tutorial(folder, "run", "--size", "20")
  expect_match(run_tutorial(folder, "run", "--size", "20"), "4 of bootstrap")
})
