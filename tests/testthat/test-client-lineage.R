test_that("lineage is a tree through flows, and a data frame", {
  folder <- local_flow_folder()
  write_flow(folder, '
    options(metaflow.command_line = FALSE)
    prep <- metaflow("PrepFlow") %>%
      parameter("rows", default = 10L) %>%
      step(step = "start", next_step = "end", r_function = function(self) { self$raw <- seq_len(self$rows); self$idle <- 1 }) %>%
      step(step = "end", r_function = function(self) self$clean <- rev(self$raw))
    fit <- metaflow("FitFlow") %>%
      parameter("alpha", default = 0.1) %>%
      step(step = "start", foreach = "grid", next_step = "fit", r_function = function(self) {
        # In another process: it is noted all the same.
        self$data <- parallel::mclapply(1, function(i) new_run("PrepFlow", "latest_run")$data$clean)[[1]]
        self$grid <- 1:5
      }) %>%
      step(step = "fit", next_step = "join", r_function = function(self) self$score <- sum(self$data) * self$alpha * self$input) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        self$best <- max(unlist(gather_inputs(inputs, "score")))
        merge_artifacts(self, inputs, include = "data")
      }) %>%
      step(step = "end", r_function = function(self) print(self$best))
    run(prep)
    run(fit)
  ')
  run_flow_well(folder)
  expect_snapshot({
    mf_lineage("FitFlow/1/end/8/best", "up")
    mf_lineage("PrepFlow/1/start/1/raw")
    mf_lineage("PrepFlow/1/start/1/idle")
    mf_lineage(task_client$new("FitFlow/1/fit/3"), direction = "up", depth = 1)
  })
  found <- mf_lineage("PrepFlow/1/start/1/raw")
  expect_s3_class(found, "data.frame")
  expect_identical(unique(found$direction), c("", "up", "down"))
  expect_identical(found$pathspec[found$relation == "read through the client"], c("FitFlow/1/start/1/data", "FitFlow/1/start/1/grid"))
  expect_s3_class(found[found$depth > 1, c("name", "task")], "data.frame")
  expect_false(inherits(found[1, ], "metaflow_lineage"))
  expect_error(mf_lineage("FitFlow/1/end/8/bset"), "no artifact 'bset'", class = "metaflow_not_found_error")
  expect_error(mf_lineage("FitFlow/1/end/8/best", "sideways"), class = "metaflow_usage_error")
  expect_error(mf_lineage("FitFlow/1/end/8/best", depth = 0), class = "metaflow_usage_error")
})

test_that("wrong uses say what to write", {
  local_browsed()
  expect_snapshot(error = TRUE, {
    mf_lineage("ShopFlow/3/total/5/bill", direction = "sideways")
    mf_lineage("ShopFlow/3/total/5/bill", depth = 0)
    mf_lineage("ShopFlow/3/total/5/bil")
    mf_lineage("ShopFlow/3")
  })
})
