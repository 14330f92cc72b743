test_that("mf_use_flow() makes a project whose flow runs", {
  folder <- local_flow_folder()
  expect_message(made <- mf_use_flow("churn-model", folder, open = FALSE), "Rscript flow.R run")
  expect_identical(made, file.path(folder, "churn-model"))
  expect_setequal(list.files(made, all.files = TRUE, no.. = TRUE), c("flow.R", "README.md", ".gitignore", ".metaflowignore", "churn-model.Rproj"))
  for (file in list.files(made, full.names = TRUE)) expect_false(any(grepl("{{", readLines(file), fixed = TRUE)), label = file)
  done <- run_flow_well(made, "run", "--rows", "100")
  expect_match(done$stdout, "versicolor")
  expect_identical(flow_client$new("ChurnModelFlow")$latest_run$data$results$sepal_length_mm, c(50.06, 59.36))
  # Nothing else is left beside it.
  expect_setequal(list.files(folder, all.files = TRUE, no.. = TRUE), c("churn-model", "home", "store"))
})

test_that("nothing is overwritten, and a name is one", {
  folder <- local_flow_folder()
  suppressMessages(mf_use_flow("a", folder, open = FALSE))
  expect_error(mf_use_flow("a", folder), "exists already", class = "metaflow_usage_error")
  expect_snapshot(error = TRUE, {
    mf_use_flow("my project")
    mf_use_flow("../up")
    mf_use_flow()
  })
})

test_that("the flow is named after the project", {
  expect_identical(project_flow("churn-model"), "ChurnModelFlow")
  expect_identical(project_flow("my_2nd_try"), "My2ndTryFlow")
  expect_identical(project_flow("iris_flow"), "IrisFlow")
})

test_that("it says what it made, and why it did not", {
  folder <- local_flow_folder()
  without_folder <- function(lines) gsub(folder, "<folder>", lines, fixed = TRUE)
  expect_snapshot(made <- mf_use_flow("churn", open = FALSE), transform = without_folder)
  expect_snapshot(mf_use_flow("churn", open = FALSE), error = TRUE, transform = without_folder)
})
