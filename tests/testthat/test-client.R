test_that("mf_client() and mf_client$new() open the datastore", {
  local_browsed()
  expect_s3_class(mf_client(), "metaflow_datastore_client")
  expect_s3_class(mf_client$new(), "metaflow_datastore_client")
  expect_true(is.function(mf_client))
  expect_identical(.DollarNames(mf_client, ""), "new")
  expect_error(mf_client$flows, class = "metaflow_attribute_error")
})

test_that("the client of the datastore leads to everything", {
  local_browsed()
  mf <- mf_client()
  expect_named(mf$flows, c("RoughFlow", "ShopFlow"))
  expect_identical(mf$flow("ShopFlow")$pathspec, "ShopFlow")
  expect_identical(mf$run("ShopFlow/2")$pathspec, "ShopFlow/2")
  expect_identical(mf$run(mf$flow("ShopFlow"), 2)$pathspec, "ShopFlow/2")
  expect_identical(mf$step("ShopFlow/2/quote")$pathspec, "ShopFlow/2/quote")
  expect_identical(mf$step(mf$run("ShopFlow", 2), "quote")$pathspec, "ShopFlow/2/quote")
  expect_identical(mf$task("ShopFlow/2/start/1")$pathspec, "ShopFlow/2/start/1")
  expect_identical(mf$task(mf$step("ShopFlow/2/start"), 1)$pathspec, "ShopFlow/2/start/1")
  expect_identical(mf$runs("ShopFlow")$run_id, c("3", "2", "1"))
  expect_identical(mf$namespace, "user:tester")
  expect_match(mf$metadata, "^local@.*/store$")
})

test_that("list_flows() has those of the namespace", {
  local_browsed()
  expect_named(list_flows(), c("RoughFlow", "ShopFlow"))
  set_namespace(NULL)
  expect_named(list_flows(), c("OtherFlow", "RoughFlow", "ShopFlow"))
  set_namespace("user:nobody")
  expect_length(list_flows(), 0)
})

test_that("new_flow(), new_run(), new_step() and new_task() take ids, clients and pathspecs", {
  local_browsed()
  expect_identical(new_flow("ShopFlow")$pathspec, "ShopFlow")
  expect_identical(new_run("ShopFlow", "latest_run")$pathspec, "ShopFlow/3")
  expect_identical(new_run("ShopFlow/2")$pathspec, "ShopFlow/2")
  expect_identical(new_step("ShopFlow", 2, "quote")$pathspec, "ShopFlow/2/quote")
  expect_identical(new_step("ShopFlow/2/quote")$pathspec, "ShopFlow/2/quote")
  expect_identical(new_task("ShopFlow", 2, "start", 1)$pathspec, "ShopFlow/2/start/1")
  expect_identical(new_task("ShopFlow/2/start/1")$pathspec, "ShopFlow/2/start/1")
  expect_identical(new_task(flow_client$new("ShopFlow"), "2", "start", "1")$pathspec, "ShopFlow/2/start/1")
  expect_identical(new_step(run_client$new("ShopFlow/2"), step_id = "quote")$pathspec, "ShopFlow/2/quote")
})

test_that("a datastore that is not there yet is empty, and looking at it makes nothing", {
  folder <- local_flow_folder()
  expect_length(list_flows(), 0)
  expect_identical(nrow(mf_runs()), 0L)
  expect_error(flow_client$new("ShopFlow"), class = "metaflow_not_found_error")
  expect_false(dir.exists(file.path(folder, "store")))
})

test_that("the datastore prints", {
  local_browsed()
  expect_snapshot(transform = steady, {
    mf_client
    mf_client()
    list_flows()
    set_namespace("user:nobody")
    mf_client()
    list_flows()
  })
})

test_that("a method that is not there is named", {
  local_browsed()
  expect_snapshot(error = TRUE, {
    mf_client$flows
    mf_client()$flwos
  })
})
