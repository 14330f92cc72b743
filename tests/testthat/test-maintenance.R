test_that("the index is rebuilt and says what there is", {
  folder <- local_browsed()
  index <- file.path(folder, "store/index.db")
  unlink(index)
  expect_snapshot(found <- reindex(), transform = steady)
  expect_identical(unlist(found[c("flows", "runs")]), c(flows = 3L, runs = 5L))
  expect_true(file.exists(index))
  expect_identical(nrow(mf_runs(where = list(namespace = NULL))), 5L)
})

test_that("a record that cannot be read is a warning and hides nothing else", {
  folder <- local_browsed()
  path <- file.path(folder, "store/flows/ShopFlow/1/run.json")
  Sys.chmod(path, "644")
  writeLines("{", path)
  expect_warning(capture.output(found <- reindex()), "run.json")
  expect_length(found$problems, 1)
  expect_named(flow_client$new("ShopFlow")$runs[1:2], c("3", "2"))
})

test_that("reindex() works from the command line", {
  folder <- local_browsed()
  done <- processx::run(file.path(R.home("bin"), "Rscript"), c("-e", "metaflow::reindex()"), wd = folder)
  expect_match(done$stdout, "3 flows, 5 runs")
})
