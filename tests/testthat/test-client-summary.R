test_that("a summary counts, and says what each step needs", {
  local_browsed()
  table <- summary(run_client$new("RoughFlow/1"))
  row <- function(step) table[table$step == step, ]
  expect_identical(row("caught")[c("tasks", "done", "caught")], data.frame(tasks = 1L, done = 1L, caught = 1L)[c("tasks", "done", "caught")], ignore_attr = TRUE)
  expect_identical(row("start")$cpu, 1)
  expect_gte(row("start")$memory * 1e6, row("start")$memory_p95_bytes)
  expect_identical(is.na(row("join")$memory), TRUE)
  expect_true(all(table$cpu_seconds >= 0, na.rm = TRUE))
  resumed <- summary(run_client$new("ShopFlow/2"))
  # What was taken over was measured where it ran, and spent nothing here.
  expect_identical(is.na(resumed$cpu_seconds), c(TRUE, FALSE, FALSE, FALSE))
  expect_false(anyNA(resumed$peak_memory_bytes))
})

test_that("a part of a summary is an ordinary table", {
  local_browsed()
  table <- summary(run_client$new("ShopFlow/3"))
  expect_output(print(table[c("step", "tasks")]), "^ step  tasks")
  expect_s3_class(table[1:2, ], "data.frame")
})

# --- the time line in letters --------------------------------------------------------------------

bars_of <- function(...) {
  rows <- list(...)
  data.frame(step = vapply(rows, `[[`, "", 1), task = as.character(seq_along(rows)), attempt = 0L, status = "done",
    started = vapply(rows, `[[`, 0, 2), finished = vapply(rows, `[[`, 0, 3))
}

test_that("cells count the tasks that run in their middle; a short one is seen", {
  bars <- bars_of(list("a", 0, 10), list("a", 5, 10), list("b", 6.1, 6.2))
  expect_identical(busy_cells(bars[1:2, ], c(0, 10), 4), c(1L, 1L, 2L, 2L))
  expect_identical(busy_cells(bars[3, ], c(0, 10), 4), c(0L, 0L, 1L, 0L))
})

test_that("a task that is running goes on to the end of the line", {
  bars <- bars_of(list("a", 0, NA_real_))
  expect_identical(busy_cells(bars, c(0, 10), 2), c(1L, 1L))
})

# A run that is the same each time: only its times are made up.
steady_summary <- function() {
  table <- new_table(
    step = c("start", "fit", "join", "end"), status = c("cloned", "failed", "not started", "not started"), tasks = c(1L, 9L, 0L, 0L),
    done = c(0L, 5L, 0L, 0L), caught = c(0L, 1L, 0L, 0L), failed = c(0L, 1L, 0L, 0L), cloned = c(1L, 3L, 0L, 0L), cached = c(0L, 2L, 0L, 0L),
    seconds = c(NA, 12.4, NA, NA), cpu_seconds = c(NA, 31, NA, NA), peak_memory_bytes = c(65e6, 2.6e9, NA, NA),
    memory_p95_bytes = c(65e6, 480e6, NA, NA), cpu_p95 = c(0.7, 2.6, NA, NA), stored_bytes = c(0, 81e6, NA, NA),
    cpu = c(1, 3, NA, NA), memory = c(100, 500, NA, NA), asked_cpu = c(NA, 1, NA, NA), asked_memory = c(NA, 8000, NA, NA)
  )
  bars <- bars_of(list("fit", 100, 104), list("fit", 100, 102), list("fit", 102, 112.4), list("fit", 104, 110))
  run <- list(pathspec = "TuneFlow/7", status = "failed", created_at = 99.5, finished_at = 112.5)
  structure(table, class = c("metaflow_run_summary", class(table)), run = run, bars = bars)
}

test_that("a summary prints in a wide, a narrow and an ASCII console", {
  withr::local_options(cli.width = 100, width = 100, cli.unicode = TRUE, cli.num_colors = 1L)
  withr::local_envvar(TZ = "UTC")
  expect_snapshot(steady_summary())
  withr::local_options(cli.width = 60, width = 60, cli.unicode = FALSE)
  expect_snapshot(steady_summary())
})
