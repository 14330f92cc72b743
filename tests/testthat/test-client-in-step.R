test_that("a step reads artifacts of earlier runs of other flows", {
  folder <- local_browsed()
  write_flow(folder, '
    metaflow("ReaderFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        run <- mf_client()$flow("ShopFlow")$latest_successful_run
        self$found <- run$data$bill
        self$pathspec <- run$pathspec
        self$own <- run_client$new("ReaderFlow", current("run_id"))$status
        self$namespace <- get_namespace()
        self$runs <- nrow(mf_runs("ShopFlow"))
        print(run)
      }) %>%
      step(step = "end") %>%
      run()
  ')
  run_flow_well(folder)
  run <- run_client$new("ReaderFlow/1")
  expect_identical(run$data$found, run_client$new("ShopFlow/3")$data$bill)
  expect_identical(run$data$pathspec, "ShopFlow/3")
  expect_identical(run$data$own, "running")
  expect_identical(run$data$namespace, "user:tester")
  expect_identical(run$data$runs, 3L)
  expect_match(run$steps$start$a_task$stdout, "<metaflow run> ShopFlow/3: completed", fixed = TRUE)
})

test_that("a step sees the datastore of its run, however the run was told of it", {
  folder <- local_browsed()
  write_flow(folder, '
    options(metaflow.command_line = FALSE)
    metaflow("ReaderFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        setwd(tempdir())
        self$metadata <- get_metadata()
        self$pathspec <- flow_client$new("ShopFlow")$latest_run$pathspec
      }) %>%
      step(step = "end") %>%
      run(datastore_root = "store")
  ')
  run_flow_well(folder, env = c(METAFLOW_DATASTORE_ROOT = NA))
  run <- run_client$new("ReaderFlow/1")
  expect_identical(run$data$pathspec, "ShopFlow/3")
  expect_identical(run$data$metadata, paste0("local@", file.path(folder, "store")))
})
