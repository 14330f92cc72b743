cluster_flow <- function() metaflow("Jobs") %>% step(step = "start", next_step = "end") %>% step(step = "end")

typed <- function(...) perform_command(cluster_flow(), parse_command(cluster_flow(), c(...)), list())

test_that("what is typed wrong is wrong usage", {
  expect_error(typed("kubernetes"), "needs an action", class = "metaflow_usage_error")
  expect_error(typed("batch", "lst"), "Did you mean 'list'", class = "metaflow_usage_error")
  expect_error(typed("batch", "list", "3"), "Give the run by --run-id", class = "metaflow_usage_error")
  expect_error(typed("kubernetes", "kill"), "needs a run, or --all", class = "metaflow_usage_error")
  expect_error(typed("kubernetes", "kill", "--run-id", "1", "--all"), "needs a run, or --all", class = "metaflow_usage_error")
})

test_that("without a cluster there is one clear error", {
  withr::local_envvar(KUBECONFIG = file.path(tempdir(), "no-config"), METAFLOW_BATCH_JOB_QUEUE = NA)
  expect_error(typed("kubernetes", "list"), "Kubernetes cannot be asked: ", class = "metaflow_backend_error")
  expect_error(typed("batch", "kill", "--all"), "AWS Batch cannot be asked: no job queue", class = "metaflow_backend_error")
})

test_that("jobs are a table", {
  jobs <- list(
    list(job = "mf-fit-1-0123456789ab", run = "12", step = "fit", tasks = 200, status = "running", user = "ann", created = 1e9),
    list(job = "mf-end-9-0123456789ab", run = "12", step = "end", tasks = 1, status = "waiting", user = NULL, created = 1e9)
  )
  withr::local_timezone("UTC")
  expect_snapshot(writeLines(job_lines(jobs)))
})

test_that("wrong uses say what to write", {
  expect_snapshot(error = TRUE, {
    typed("kubernetes")
    typed("batch", "lst")
    typed("batch", "list", "3")
    typed("slurm", "kill")
  })
})
