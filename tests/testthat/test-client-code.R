# Gives a run a snapshot of these files, made by the core; without files, takes its snapshot away.
set_package <- function(folder, pathspec, files = character()) {
  script <- '
import json, os, sys
from metaflow_core.store.blobs import BlobStore
from metaflow_core.store.package import pack_files
from metaflow_core.storages.local import PLUGIN
root, pathspec, *files = sys.argv[1:]
blobs = BlobStore(PLUGIN(root))
path = os.path.join(root, "flows", pathspec, "run.json")
record = json.load(open(path))
record["package"] = blobs.put_bytes(pack_files((name, name) for name in files)) if files else None
os.chmod(path, 0o644)
json.dump(record, open(path, "w"))
'
  withr::local_envvar(PYTHONPATH = system.file("python", package = "metaflow"))
  processx::run(test_python(), c("-c", script, file.path(folder, "store"), pathspec, files), wd = folder)
}

test_that("without a snapshot, the code of a run is what was captured", {
  folder <- local_browsed()
  set_package(folder, "ShopFlow/3")
  code <- run_client$new("ShopFlow/3")$code
  expect_true(all(c("steps/start.R", "steps/quote.R", "steps/total.R", "globals/price.R", "globals/prices.rds") %in% code$files()))
  expect_output(lines <- code$show("globals/price.R"), "no price for")
  expect_identical(lines[[1]], "price <- function(item) {")
  expect_output(code$show("globals/prices.rds"), "Named num")
  expect_setequal(.DollarNames(code, ""), c("diff", "extract", "files", "list", "show"))

  expect_output(paths <- code$extract("out"), "files written to out")
  expect_true(all(file.exists(paths)))
  expect_identical(readRDS("out/globals/prices.rds"), c(apple = 3, plum = 5))
  scope <- new.env()
  sys.source("out/steps/quote.R", scope)
  expect_type(scope$quote, "closure")
  expect_error(code$extract("out"), class = "metaflow_store_error")
})

test_that("code that is not there is an error", {
  folder <- local_browsed()
  set_package(folder, "ShopFlow/3")
  code <- run_client$new("ShopFlow/3")$code
  expect_snapshot(error = TRUE, {
    code$show("steps/strat.R")
    code$fils
    code$extract(NULL)
  })
})

test_that("a snapshot of the folder is listed, shown and extracted", {
  folder <- local_browsed()
  dir.create("sql")
  writeLines(c("select 1", "-- gr\u00fc\u00df dich"), "sql/query.sql", useBytes = TRUE)
  writeBin(as.raw(c(0x50, 0x00, 0x01)), "logo.bin")
  set_package(folder, "ShopFlow/3", c("shop.R", "sql/query.sql", "logo.bin"))

  code <- run_client$new("ShopFlow/3")$code
  expect_identical(code$files(), c("logo.bin", "shop.R", "sql/query.sql"))
  expect_output(lines <- code$show("sql/query.sql"), "select 1")
  expect_identical(lines, c("select 1", "-- gr\u00fc\u00df dich"))
  expect_error(code$show("logo.bin"), class = "metaflow_usage_error")
  expect_error(code$show("shop.r2"), class = "metaflow_not_found_error")

  expect_output(code$extract("copy"), "3 files written to copy")
  expect_identical(readLines("copy/shop.R"), readLines("shop.R"))
  expect_identical(readBin("copy/logo.bin", "raw", 10), as.raw(c(0x50, 0x00, 0x01)))
  expect_error(code$extract("copy"), class = "metaflow_store_error")
  expect_snapshot(code)
})

test_that("captured code prints", {
  folder <- local_browsed()
  set_package(folder, "ShopFlow/3")
  expect_snapshot({
    run_client$new("ShopFlow/3")$code
    run_client$new("ShopFlow/3")$code$show("globals/ask.R")
  })
})
