changing_flow <- '
scale <- 2
work <- function(x) {
  x * scale
}
metaflow("DiffFlow") %>%
  parameter("alpha", default = 1) %>%
  parameter("note", default = "same") %>%
  step(step = "start", next_step = "fit", r_function = function(self) {
    self$same <- 1:3
    self$table <- data.frame(x = 1:3, y = c("a", "b", "c"))
    self$large <- as.numeric(seq_len(2e5)) * self$alpha
    self$old <- TRUE
  }) %>%
  step(step = "fit", next_step = "end", r_function = function(self) self$result <- work(self$alpha)) %>%
  step(step = "end") %>%
  run()
'

test_that("a difference is told by parameter, function, file, graph and artifact", {
  folder <- local_flow_folder()
  write_flow(folder, changing_flow)
  writeLines("one", "notes.txt")
  run_flow_well(folder)
  run_flow_well(folder)
  changed <- gsub("x * scale", "x * scale + 1", changing_flow, fixed = TRUE)
  changed <- gsub('"a", "b", "c"', '"a", "z", "c"', changed, fixed = TRUE)
  changed <- gsub("self$old <- TRUE", "self$new <- FALSE", changed, fixed = TRUE)
  changed <- gsub('step = "fit", ', 'step = "fit", retry(times = 1), ', changed, fixed = TRUE)
  write_flow(folder, changed)
  writeLines("two", "notes.txt")
  writeBin(as.raw(c(0, 1)), "raw.csv")
  run_flow_well(folder, "run", "--alpha", "3")

  expect_snapshot(mf_diff("DiffFlow/1", "DiffFlow/2"))
  found <- mf_diff(new_run("DiffFlow/1"), "DiffFlow/3")
  expect_match(paste(found$values$table, collapse = "\n"), '"z"')
  # What waldo says is another thing in each of its versions.
  steady <- found
  steady$values <- lapply(found$values, function(lines) if (any(grepl("not compared", lines))) lines else "(its value)")
  expect_snapshot(steady)
  expect_snapshot(new_run("DiffFlow/2")$code$diff(new_run("DiffFlow/3"))$functions$`globals/work.R`)

  expect_identical(as.list(found$parameters), list(name = "alpha", a = "1", b = "3"))
  expect_identical(found$artifacts$name, c("large", "new", "old", "result", "table"))
  expect_identical(found$artifacts$change, c("changed", "new", "gone", "changed", "changed"))
  expect_match(found$values$large, "not compared: 1.6 MB")
  expect_match(mf_diff("DiffFlow/1", "DiffFlow/3", max_bytes = 1e7)$values$large[[1]], "1 2 3")
  expect_setequal(names(found$code$files), c("flow.R", "notes.txt", "raw.csv"))
  expect_identical(found$code$files$raw.csv, "raw.csv is not the same (and no text)")
  expect_identical(names(found$code$functions), c("steps/start.R", "globals/work.R"))
  expect_identical(nrow(found$packages), 0L)

  # Tasks; code as $code, client or pathspec; what is in the future of the store.
  tasks <- mf_diff("DiffFlow/1/fit/2", task_client$new("DiffFlow/3/fit/2"))
  expect_identical(tasks$artifacts$name, found$artifacts$name)
  code <- new_run("DiffFlow/1")$code
  expect_identical(code$diff("DiffFlow/3"), code$diff(new_run("DiffFlow/3")$code))
  expect_identical(names(code$list()), c("file", "bytes"))
  expect_error(mf_diff("DiffFlow/1", "DiffFlow/3/fit/2"), class = "metaflow_usage_error")
  expect_error(mf_diff("DiffFlow/1", "DiffFlow/9"), class = "metaflow_not_found_error")
  expect_error(mf_diff("DiffFlow/1", "DiffFlow/3", max_bytes = "much"), class = "metaflow_usage_error")
})

test_that("values are compared without waldo, too", {
  expect_identical(plain_value_diff(1, 2), c("- a: 1", "+ b: 2"))
  expect_match(plain_value_diff(list(x = 1:3), list(x = 2:4)), "Mean relative difference")
  expect_match(plain_value_diff(c(a = 1), c(a = 1 + 1e-12)), "nearly equal")
  expect_identical(value_diff(1:3, c(1L, 2L, 3L)), "(the same value, stored differently)")
  expect_true(any(grepl("b", value_diff(list(a = 1), list(a = 1, b = 2)))))
})

test_that("runs that did not end, and runs without a snapshot, are compared as far as they go", {
  local_browsed()
  found <- mf_diff("ShopFlow/1", "ShopFlow/3")
  expect_identical(as.list(found$parameters), list(name = "rate", a = "1.5", b = "2"))
  # Run 1 failed in its foreach: what both have is the start.
  expect_identical(found$step, "start")
  expect_identical(nrow(found$artifacts), 0L)
  expect_identical(mf_diff("ShopFlow/2", "ShopFlow/3")$step, "end")
  expect_identical(mf_diff("ShopFlow/1", "RoughFlow/1")$step, "start")
  expect_snapshot(mf_diff("ShopFlow/1", "RoughFlow/1")$parameters)
})

test_that("wrong uses say what to write", {
  local_browsed()
  expect_snapshot(error = TRUE, {
    mf_diff("ShopFlow/1", "ShopFlow/3/total/5")
    mf_diff("ShopFlow/1", "ShopFlow/3", max_bytes = "all")
    mf_diff("ShopFlow/1", "ShopFlow/9")
    mf_diff("ShopFlow", "OtherFlow")
  })
})

test_that("the code of two runs that is the same has no difference", {
  local_browsed()
  expect_snapshot(run_client$new("ShopFlow/1")$code$diff("ShopFlow/3"))
})
