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
