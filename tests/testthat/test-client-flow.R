test_that("a flow has its runs, newest first", {
  local_browsed()
  flow <- flow_client$new("ShopFlow")
  expect_named(flow$runs, c("3", "2", "1"))
  expect_s3_class(flow$runs[["3"]], "metaflow_run_client")
  expect_identical(flow$latest_run$pathspec, "ShopFlow/3")
  expect_identical(flow$latest_successful_run$pathspec, "ShopFlow/3")
  expect_identical(flow$run(2)$pathspec, "ShopFlow/2")
  expect_identical(flow$run("latest_run")$pathspec, "ShopFlow/3")
  expect_s3_class(flow$created_at, "POSIXct")
  expect_identical(flow$created_at, flow$run(1)$created_at)
})

test_that("runs are chosen by tags, all of which they must have", {
  local_browsed()
  flow <- flow_client$new("ShopFlow")
  expect_named(flow$runs_with_tags("good"), "3")
  expect_named(flow$runs_with_tags("good", "weekly"), "3")
  expect_named(flow$runs_with_tags(c("good", "user:tester")), "3")
  expect_length(flow$runs_with_tags("good", "bad"), 0)
  expect_length(flow$runs_with_tags("user:tester"), 3)
})

test_that("a flow whose runs all failed has no successful one", {
  local_browsed()
  flow <- flow_client$new("RoughFlow")
  expect_null(flow$latest_successful_run)
  expect_identical(flow$latest_run$status, "failed")
  expect_error(flow$run("latest_successful_run"), class = "metaflow_not_found_error")
})

test_that("summary() of a flow is the table of its runs", {
  local_browsed()
  flow <- flow_client$new("ShopFlow")
  expect_identical(summary(flow), mf_runs("ShopFlow"))
  expect_identical(flow$summary(limit = 1)$run_id, "3")
})

test_that("flows and runs print", {
  local_browsed()
  expect_snapshot(transform = steady, {
    flow_client$new("ShopFlow")
    flow_client$new("ShopFlow")$runs
    flow_client$new("RoughFlow")
  })
})
