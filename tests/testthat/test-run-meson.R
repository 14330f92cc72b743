test_that("meson = \"create\" is an ordinary run that says so, and only once", {
  expect_match(meson_note(list(meson = "create")), "it runs once, now")
  expect_identical(meson_note(list()), character())
  expect_identical(meson_note(list(meson = "create", resume = TRUE)), character())
  expect_error(check_run_options(list(meson = "trigger")), class = "metaflow_usage_error")
})
