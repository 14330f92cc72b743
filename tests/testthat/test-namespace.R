test_that("the namespace of a new session is the user's own", {
  local_flow_folder()
  expect_identical(get_namespace(), "user:tester")
  withr::local_envvar(METAFLOW_USER = "somebody else")
  expect_identical(get_namespace(), "user:somebody else")
  withr::local_envvar(METAFLOW_DEFAULT_NAMESPACE = "production")
  expect_identical(get_namespace(), "production")
})

test_that("a namespace is set, widened to all and set back", {
  local_browsed()
  expect_identical(set_namespace("user:bob"), "user:bob")
  expect_invisible(set_namespace("user:bob"))
  expect_identical(get_namespace(), "user:bob")
  expect_named(list_flows(), "OtherFlow")
  expect_null(set_namespace(NULL))
  expect_null(get_namespace())
  expect_length(list_flows(), 3)
  expect_identical(set_default_namespace(), "user:tester")
  expect_length(list_flows(), 2)
})

test_that("a tag that was given to runs is a namespace too", {
  local_browsed()
  set_namespace("good")
  expect_named(flow_client$new("ShopFlow")$runs, "3")
  expect_error(run_client$new("ShopFlow/1"), class = "metaflow_namespace_error")
})

test_that("runs of a team are in the namespace that they share, whoever started them", {
  folder <- local_flow_folder()
  write_flow(folder, 'metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end") %>% run()')
  expect_identical(run_flow(folder, "run", env = c(METAFLOW_USER = "alice", METAFLOW_DEFAULT_NAMESPACE = "production:team"))$status, 0L)
  expect_identical(run_flow(folder, "run", "--namespace", "production:team", env = c(METAFLOW_USER = "bob"))$status, 0L)
  expect_length(list_flows(), 0)
  set_namespace("production:team")
  expect_named(flow_client$new("F")$runs, c("2", "1"))
  set_namespace("user:bob")
  expect_named(flow_client$new("F")$runs, "2")
  # Bob resumes what he may see, and nothing else.
  done <- run_flow(folder, "resume", env = c(METAFLOW_USER = "carol"))
  expect_identical(done$status, 1L)
  expect_match(done$stderr, "no run to resume in the namespace 'user:carol'")
  expect_identical(run_flow(folder, "resume", "--namespace", "user:alice", env = c(METAFLOW_USER = "carol"))$status, 0L)
  set_namespace(NULL)
  expect_identical(flow_client$new("F")$latest_run$origin_run_id, "1")
})

test_that("what is not a namespace is refused and changes nothing", {
  local_flow_folder()
  expect_snapshot(error = TRUE, {
    set_namespace(1)
    set_namespace(c("a", "b"))
    set_namespace("")
    set_namespace(NA_character_)
  })
  expect_identical(get_namespace(), "user:tester")
})
