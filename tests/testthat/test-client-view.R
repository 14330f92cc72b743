test_that("a client goes on looking at the place and the namespace of when it was made", {
  folder <- local_browsed()
  run <- run_client$new("ShopFlow/3")
  flow <- flow_client$new("ShopFlow")
  set_namespace("user:nobody")
  withr::local_dir(withr::local_tempdir())
  withr::local_envvar(METAFLOW_DATASTORE_ROOT = file.path(folder, "elsewhere"))
  expect_identical(run$status, "completed")
  expect_identical(run$steps$start$a_task$artifacts, c("currency", "items", "rate", "when"))
  expect_named(flow$runs, c("3", "2", "1"))
  expect_false(run$is_in_namespace())
  expect_false(flow$is_in_namespace())
  expect_false(run$end_task$is_in_namespace())
  expect_error(run_client$new("ShopFlow/3"), class = "metaflow_not_found_error")
  set_namespace("user:tester")
  expect_true(run$is_in_namespace())
})

test_that("an environment variable that is set after Python has started counts", {
  folder <- local_browsed()
  expect_length(list_flows(), 2)
  withr::local_envvar(METAFLOW_DATASTORE_ROOT = file.path(folder, "empty"))
  expect_length(list_flows(), 0)
  withr::local_envvar(METAFLOW_DATASTORE_ROOT = file.path(folder, "store"), METAFLOW_USER = "bob")
  expect_named(list_flows(), "OtherFlow")
})

test_that("a datastore that was deleted and made anew is not answered from memory", {
  folder <- local_browsed()
  expect_identical(run_client$new("ShopFlow/1")$parameters$rate, 1.5)
  unlink(file.path(folder, "store"), recursive = TRUE)
  expect_error(run_client$new("ShopFlow/1"), class = "metaflow_not_found_error")
  write_flow(folder, '
    metaflow("ShopFlow") %>% parameter("rate", default = 7) %>%
      step(step = "start", next_step = "end") %>% step(step = "end") %>% run()
  ')
  run_flow_well(folder)
  expect_identical(run_client$new("ShopFlow/1")$parameters$rate, 7)
})

test_that("a run that this session made is found in the datastore where it was put", {
  folder <- local_browsed()
  withr::local_envvar(METAFLOW_DATASTORE_ROOT = file.path(folder, "elsewhere"))
  run <- client_of_run("ShopFlow/3", file.path(folder, "store"))
  expect_identical(run$status, "completed")
  expect_named(run$parent$runs, c("3", "2", "1"))
})

test_that("pathspecs are put together from whatever names a parent and an id", {
  expect_identical(child_pathspec("run", "F", 12), "F/12")
  expect_identical(child_pathspec("run", "F", 12L), "F/12")
  expect_identical(child_pathspec("run", "F", 100000), "F/100000")
  expect_identical(child_pathspec("run", "F", 1e15), "F/1000000000000000")
  expect_identical(child_pathspec("run", "F", "F/12"), "F/12")
  expect_identical(child_pathspec("run", "F/12", NULL), "F/12")
  expect_identical(child_pathspec("flow", "", "F"), "F")
})

test_that("what cannot name anything is refused with an example", {
  local_flow_folder()
  expect_snapshot(error = TRUE, {
    run_client$new(NULL)
    run_client$new(NA)
    run_client$new(c("F/1", "F/2"))
    flow_client$new(mtcars)
    task_client$new(list(1))
    step_client$new("F/1", character())
  })
})

test_that("pathspecs that do not fit are refused by the core", {
  local_browsed()
  expect_snapshot(error = TRUE, {
    run_client$new("ShopFlow")
    flow_client$new("ShopFlow/3")
    run_client$new("ShopFlow/3/start")
    run_client$new("Shop Flow/3")
    run_client$new("ShopFlow/x")
    run_client$new("ShopFlow/")
    run_client$new("")
    step_client$new("ShopFlow/3/start/1/x/y")
  })
  expect_error(run_client$new("ShopFlow"), class = "metaflow_invalid_pathspec_error")
})

test_that("what is not there is said with the nearest name", {
  local_browsed()
  expect_snapshot(error = TRUE, transform = steady, {
    flow_client$new("ShoppFlow")
    flow_client$new("Nothing")
    run_client$new("ShopFlow/99")
    run_client$new("ShoppFlow/1")
    step_client$new("ShopFlow/3/qoute")
    task_client$new("ShopFlow/3/start/77")
    task_client$new("ShopFlow/1/total/1")
    flow_client$new("OtherFlow")
    run_client$new("OtherFlow/1")
  })
  expect_error(step_client$new("ShopFlow/3/qoute"), class = "metaflow_not_found_error")
  expect_error(run_client$new("OtherFlow/1"), class = "metaflow_namespace_error")
})
