test_that("what a task printed comes back as it was", {
  local_browsed()
  task <- task_client$new("ShopFlow/3/start/1")
  expect_identical(as.character(task$stdout), "three items\n")
  expect_identical(as.character(task$stderr), "asking for prices\n")
  expect_match(task$stdout, "three")
  expect_identical(nchar(task$stdout), 12L)
  expect_identical(as.character(task_client$new("ShopFlow/3/end/6")$stdout), "")
})

test_that("lines of a task, a step and a run are data frames", {
  local_browsed()
  run <- run_client$new("ShopFlow/3")
  lines <- run$steps$start$a_task$loglines()
  expect_identical(lines, data.frame(stream = c("stdout", "stderr"), line = c("three items", "asking for prices")))
  expect_identical(run$steps$start$a_task$loglines("stderr")$line, "asking for prices")
  expect_identical(run$loglines(), data.frame(step = "start", task = "1", lines))
  expect_identical(run$steps$quote$loglines(), data.frame(step = character(), task = character(), stream = character(), line = character()))
  expect_match(run_client$new("ShopFlow/1")$loglines("stderr")$line, "Error in price(item): no price for pear", fixed = TRUE, all = FALSE)
  expect_error(run$loglines("sdtout"), class = "metaflow_usage_error")
})

test_that("a cloned task shows the logs of the one it was taken from", {
  local_browsed()
  expect_identical(as.character(task_client$new("ShopFlow/2/start/1")$stdout), "three items\n")
})

test_that("letters beyond ASCII, half lines and control characters survive", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("WordFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        cat("gr\\u00fc\\u00df dich\\n\\ttab \\\\ \\"quoted\\"\\nhalf a line")
      }) %>%
      step(step = "end") %>%
      run()
  ')
  run_flow_well(folder)
  task <- task_client$new("WordFlow/1/start/1")
  expect_identical(as.character(task$stdout), "gr\u00fc\u00df dich\n\ttab \\ \"quoted\"\nhalf a line")
  expect_identical(task$loglines("stdout")$line, c("gr\u00fc\u00df dich", "\ttab \\ \"quoted\"", "half a line"))
})

test_that("logs print as they were printed", {
  local_browsed()
  expect_snapshot({
    task_client$new("ShopFlow/3/start/1")$stdout
    task_client$new("ShopFlow/1/quote/4")$stderr
    task_client$new("ShopFlow/3/end/6")$stderr
    run_client$new("ShopFlow/3")$loglines()
  })
})
