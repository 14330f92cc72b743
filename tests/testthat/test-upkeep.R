# What a person sees of clean-up, check and copies; their rules are tested in tests/python/test_store_*.py.

steady_upkeep <- function(lines) {
  lines <- gsub("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}", "<time>", lines)
  lines <- gsub("[0-9.]+ (B|kB|KB|MB|bytes)", "<size>", lines)
  lines <- gsub("[0-9,]+ blobs?", "<n> blobs", lines)
  lines <- gsub("/[^ :]*metaflow-test-[^/ ]+", "<folder>", lines)
  gsub("[0-9a-f]{64}", "<digest>", gsub("blobs/[0-9a-f]{2}/", "blobs/<aa>/", lines))
}

make_old <- function(folder) {
  for (blob in list.files(file.path(folder, "store/blobs"), recursive = TRUE, full.names = TRUE)) Sys.setFileTime(blob, Sys.time() - 7200)
}

test_that("a clean-up says what it would delete, and deletes it when it is told to", {
  folder <- local_browsed()
  make_old(folder)
  # Run 1 is the origin of run 2.
  expect_snapshot(told <- mf_gc(keep_last = 2), transform = steady_upkeep)
  expect_identical(told$runs$run, character())
  expect_snapshot(told <- mf_gc(keep_last = 1), transform = steady_upkeep)
  expect_identical(told$runs$run, c("ShopFlow/1", "ShopFlow/2"))
  expect_snapshot(told <- mf_gc(keep_last = 0, flow = "ShopFlow", dry_run = FALSE), transform = steady_upkeep)
  expect_named(flow_client$new("ShopFlow")$runs, "3")
  expect_true(attr(store_check(), "ok"))
  expect_identical(run_client$new("ShopFlow/3")$data$currency, "EUR")
  set_namespace(NULL)
  expect_identical(sum(mf_audit(action = "run deleted")$user == "tester"), nrow(told$runs))
})

test_that("what cannot be a bound is refused", {
  local_browsed()
  expect_snapshot(error = TRUE, {
    mf_gc(keep_last = -1)
    mf_gc(older_than = "soon")
    mf_gc(older_than = Sys.Date())
    mf_gc(flow = "ShopFlwo")
    mf_gc(dry_run = NA)
  }, transform = steady_upkeep)
  expect_identical(age_seconds("36h"), 36 * 3600)
  expect_identical(age_seconds(2), 2 * 86400)
  expect_identical(age_seconds(as.difftime(1, units = "weeks")), 604800)
})

test_that("a datastore is checked, and damage is seen", {
  folder <- local_browsed()
  expect_snapshot(store_check(), transform = steady_upkeep)
  blobs <- list.files(file.path(folder, "store/blobs"), recursive = TRUE, full.names = TRUE)
  victim <- run_client$new("ShopFlow/3")$step("total")$a_task
  damaged <- core_call("browse.locate", view = current_view(), pathspec = victim$pathspec, name = "bill")$path
  Sys.chmod(damaged, "644")
  writeBin(as.raw(rev(seq_len(file.size(damaged)) %% 256)), damaged)
  found <- store_check()
  expect_false(attr(found, "ok"))
  expect_identical(found$problem[[1]], "damaged")
  expect_match(found$key[[1]], basename(damaged), fixed = TRUE)
  unlink(damaged)
  found <- store_check()
  expect_identical(found$problem[[1]], "missing")
  expect_output(print(found), "restore it from a copy")
})

test_that("a datastore is copied, and once more only what is new", {
  folder <- local_browsed()
  copy <- file.path(folder, "copy")
  expect_snapshot(told <- store_copy(file.path(folder, "store"), copy), transform = steady_upkeep)
  expect_identical(told$runs, 5L)
  expect_output(expect_identical(store_copy(file.path(folder, "store"), copy)$runs, 0L), "Copied 0 runs")
  set_metadata(copy)
  expect_identical(run_client$new("ShopFlow/3")$data$currency, "EUR")
  expect_identical(nrow(mf_runs(where = list(namespace = NULL))), 5L)
  expect_true(attr(store_check(), "ok"))
  expect_snapshot(error = TRUE, {
    store_copy(1, copy)
    store_copy(copy, copy)
  }, transform = steady_upkeep)
})
