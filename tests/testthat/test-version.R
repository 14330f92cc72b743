test_that("versions are told, and printed one a line", {
  versions <- version_info()
  expect_s3_class(versions, "metaflow_versions")
  expect_named(versions, c("metaflow", "R", "Python", "reticulate", "core"))
  expect_identical(versions[["core"]], versions[["metaflow"]])
  expect_identical(versions[["R"]], r_version())
  expect_true(all(grepl("^[0-9]+[.][0-9.]+", unclass(versions))))
  expect_match(utils::capture.output(print(versions)), "^(metaflow|R|Python|reticulate|core) +[0-9.]+")
})

test_that("the version of R, a container with it, and the place of the core", {
  expect_identical(r_version(), as.character(getRversion()))
  expect_identical(container_image(), paste0("metaflow-r:", utils::packageVersion("metaflow"), "-r", getRversion()))
  expect_true(file.exists(file.path(metaflow_location(), "errors.py")))
})
