# The engine as an R user meets it: decorators, failures beside running tasks, resources, seeds, isolation.
# `in_one_process` lets a script do several runs, which spares the start of R and Python.
in_one_process <- "options(metaflow.command_line = FALSE)"

test_that("retry tries again in a foreach with growing waits, and the attempts keep what they said", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("RetryFlow") %>%
      step(step = "start", foreach = "xs", next_step = "flaky", r_function = function(self) self$xs <- c("never", "once", "twice")) %>%
      step(retry(times = 2, minutes_between_retries = c(0, 1 / 60)), step = "flaky", next_step = "join", r_function = function(self) {
        cat("attempt", current("retry_count"), "of", self$input, "\\n")
        self$draw <- runif(1)
        self$partial <- current("retry_count")
        wanted <- c(never = 0, once = 1, twice = 2)[[self$input]]
        if (current("retry_count") < wanted) stop("not yet")
        self$done_at <- current("retry_count")
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        self$done_at <- unlist(gather_inputs(inputs, "done_at"))
      }) %>%
      step(step = "end") %>%
      run(max_workers = 2)
  ')
  done <- run_flow_well(folder)
  run <- flow_client$new("RetryFlow")$latest_run
  expect_identical(run$artifact("done_at"), 0:2)
  expect_match(done$stdout, "Attempt 1 failed, trying again.", fixed = TRUE)
  expect_match(done$stdout, "Attempt 2 failed, trying again in 1.0 s.", fixed = TRUE)
  twice <- run$steps$flaky$tasks[[3]]
  attempts <- twice$attempts
  expect_identical(attempts$status, c("failed", "failed", "done"))
  waits <- as.numeric(attempts$started_at[-1]) - as.numeric(attempts$finished_at[-3])
  expect_gte(waits[[2]], 0.9)
  expect_match(twice$stdout, "attempt 2 of twice", fixed = TRUE)
})

test_that("catch keeps the condition, drops what the failed step had assigned, and is NULL after success", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("CatchFlow") %>%
      step(step = "start", foreach = "xs", next_step = "risky", r_function = function(self) {
        self$xs <- 1:2
        self$from_before <- "kept"
      }) %>%
      step(catch(var = "problem"), step = "risky", next_step = "after", r_function = function(self) {
        self$half <- "half done"
        self$from_before <- "changed"
        if (self$input == 2) stop("no luck")
      }) %>%
      step(step = "after", next_step = "join", r_function = function(self) {
        self$seen <- list(class = class(self$problem), before = self$from_before, half = "half" %in% names(self))
      }) %>%
      step(step = "join", join = TRUE, next_step = "quiet", r_function = function(self, inputs) {
        self$seen <- gather_inputs(inputs, "seen")
        self$problems <- gather_inputs(inputs, "problem")
      }) %>%
      step(catch(print_exception = FALSE), step = "quiet", next_step = "end", r_function = function(self) stop("hidden words")) %>%
      step(step = "end") %>%
      run()
  ')
  done <- run_flow_well(folder)
  run <- flow_client$new("CatchFlow")$latest_run
  expect_identical(run$artifact("seen"), list(
    list(class = "NULL", before = "changed", half = TRUE),
    list(class = c("simpleError", "error", "condition"), before = "kept", half = FALSE)
  ))
  expect_null(run$artifact("problems")[[1]])
  expect_identical(conditionMessage(run$artifact("problems")[[2]]), "no luck")
  expect_match(done$stdout, "Error in risky(self): no luck", fixed = TRUE)
  expect_no_match(done$stdout, "hidden words")
  expect_identical(run$status, "completed")
})

test_that("a failing task lets its running siblings finish; nothing new starts; resume runs the rest only", {
  folder <- local_flow_folder()
  write_flow(folder, '
    metaflow("SiblingFlow") %>%
      step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) self$xs <- 1:4) %>%
      step(step = "work", next_step = "join", r_function = function(self) {
        cat(paste0(self$input, "\\n"), file = "started", append = TRUE)
        if (self$input == 1) {
          # The sibling is under way.
          while (!file.exists("second")) Sys.sleep(0.01)
          if (!file.exists("mended")) stop("first fails")
        }
        if (self$input == 2) {
          file.create("second")
          Sys.sleep(1)
        }
        self$y <- self$input^2
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) self$ys <- unlist(gather_inputs(inputs, "y"))) %>%
      step(step = "end") %>%
      run(max_workers = 2)
  ')
  expect_identical(run_flow(folder)$status, 1L)
  run <- flow_client$new("SiblingFlow")$latest_run
  expect_identical(run$status, "failed")
  expect_setequal(scan(file.path(folder, "started"), quiet = TRUE), 1:2)
  expect_true(run$steps$work$tasks[[2]]$successful)

  file.create(file.path(folder, "mended"))
  done <- run_flow_well(folder, "resume")
  expect_match(done$stdout, "2 finished tasks taken over from run 1", fixed = TRUE)
  expect_identical(sort(scan(file.path(folder, "started"), quiet = TRUE)), c(1, 1, 2, 3, 4))
  resumed <- flow_client$new("SiblingFlow")$latest_run
  expect_identical(resumed$origin_run_id, "1")
  expect_identical(resumed$artifact("ys"), c(1, 4, 9, 16))
})

# [start, end] of each task of a step, from a log the tasks wrote.
overlaps <- function(times) {
  times <- times[order(times$start), ]
  any(utils::head(times$end, -1) > utils::tail(times$start, -1))
}

test_that("resources decide what runs side by side; too large a wish warns with both numbers and runs alone", {
  folder <- local_flow_folder()
  write_flow(folder, '
    cores <- length(parallel::mcaffinity())
    during <- function(self) {
      start <- as.numeric(Sys.time())
      Sys.sleep(0.3)
      self$time <- data.frame(step = current("step_name"), start = start, end = as.numeric(Sys.time()), met = NA)
    }
    # Both of two tasks get here only when they run at the same time.
    meet <- function(self) {
      file.create(paste0("here-", self$input))
      until <- Sys.time() + 60
      while (!all(file.exists(paste0("here-", self$xs))) && Sys.time() < until) Sys.sleep(0.02)
      during(self)
      self$time$met <- Sys.time() < until
    }
    gather <- function(self, inputs) self$time <- do.call(rbind, gather_inputs(inputs, "time"))
    metaflow("ResourceFlow") %>%
      step(step = "start", next_step = c("whole", "free", "titus"), r_function = function(self) self$xs <- 1:2) %>%
      step(step = "whole", foreach = "xs", next_step = "all_cores") %>%
      step(resources(cpu = cores), step = "all_cores", next_step = "join_whole", r_function = during) %>%
      step(step = "join_whole", join = TRUE, next_step = "join", r_function = gather) %>%
      step(step = "free", foreach = "xs", next_step = "no_wish") %>%
      step(step = "no_wish", next_step = "join_free", r_function = meet) %>%
      step(step = "join_free", join = TRUE, next_step = "join", r_function = gather) %>%
      step(step = "titus", foreach = "xs", next_step = "too_much") %>%
      step(decorator("titus", memory = 60000000, cpu = 400), step = "too_much", next_step = "join_titus", r_function = during) %>%
      step(step = "join_titus", join = TRUE, next_step = "join", r_function = gather) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = gather) %>%
      step(step = "end") %>%
      run(max_workers = 4)
  ')
  done <- run_flow_well(folder)
  times <- flow_client$new("ResourceFlow")$latest_run$artifact("time")
  of <- function(step) times[times$step == step, ]
  expect_false(overlaps(of("all_cores")))
  expect_identical(of("no_wish")$met, c(TRUE, TRUE))
  # What asks for too much runs alone, beside nothing else.
  for (i in which(times$step == "too_much")) {
    beside <- times[-i, ]
    expect_false(any(beside$start < times$end[[i]] & beside$end > times$start[[i]]))
  }
  warning <- grep("Warning: step 'too_much' asks a cluster for 400 cores and 60000000 MB of memory, .* which has [0-9]+ cores and [0-9]+ MB of memory", done$lines)
  expect_length(warning, 1)
})

test_that("max_workers bounds what runs at once, max_num_splits what a foreach may start", {
  folder <- local_flow_folder()
  write_flow(folder, c(in_one_process, '
    flow <- metaflow("BoundFlow") %>%
      step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) self$xs <- 1:5) %>%
      step(step = "work", next_step = "join", r_function = function(self) {
        start <- as.numeric(Sys.time())
        Sys.sleep(0.1)
        self$time <- data.frame(start = start, end = as.numeric(Sys.time()))
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) self$time <- do.call(rbind, gather_inputs(inputs, "time"))) %>%
      step(step = "end")
    run(flow, max_workers = 1)
    run(flow, max_num_splits = 5)
    tryCatch(run(flow, max_num_splits = 4), metaflow_run_error = function(e) NULL)
  '))
  done <- run_flow_well(folder)
  flow <- flow_client$new("BoundFlow")
  expect_identical(vapply(1:3, function(i) flow$run(i)$status, ""), c("completed", "completed", "failed"))
  expect_false(overlaps(flow$run(1)$artifact("time")))
  expect_match(done$stdout, "splits 'xs' into 5 tasks, more than the 4 that are allowed. Raise the limit with --max-num-splits 5", fixed = TRUE)
})

test_that("a seed makes every task's numbers the same again, and those of different tasks differ", {
  folder <- local_flow_folder()
  write_flow(folder, c(in_one_process, '
    draw <- function(self) self$drawn <- list(rnorm(2), sample(100, 2), current("seed"))
    collect <- function(self, inputs) self$all <- c(gather_inputs(inputs, "drawn"), list(rnorm(1)))
    flow <- metaflow("SeedFlow") %>%
      step(step = "start", foreach = "xs", next_step = "draw", r_function = function(self) {
        self$xs <- 1:3
        self$first <- runif(1)
      }) %>%
      step(retry(times = 1, minutes_between_retries = 0), step = "draw", next_step = "join", r_function = function(self) {
        draw(self)
        # A second attempt starts with the same numbers.
        if (self$input == 2 && current("retry_count") == 0) stop("again")
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = collect) %>%
      step(step = "end")
    for (seed in list(1, 1, 2, NULL, NULL)) run(flow, seed = seed)
  '))
  run_flow_well(folder)
  runs <- lapply(1:5, function(i) run_client$new("SeedFlow", i))
  drawn <- lapply(runs, function(run) run$artifact("all"))
  expect_identical(drawn[[2]], drawn[[1]])
  expect_identical(step_client$new("SeedFlow/2/start")$a_task$artifact("first"), step_client$new("SeedFlow/1/start")$a_task$artifact("first"))
  expect_false(identical(drawn[[3]], drawn[[1]]))
  expect_false(identical(drawn[[4]], drawn[[5]]))
  expect_identical(anyDuplicated(lapply(drawn[[1]][1:3], `[[`, 1)), 0L)
})

test_that("isolation = \"fresh\" runs the same, each task in an R process of its own", {
  folder <- local_flow_folder()
  write_flow(folder, c(in_one_process, '
    helper <- function(x) x + 1
    flow <- metaflow("FreshFlow") %>%
      parameter("alpha", default = 0.5) %>%
      step(step = "start", foreach = "xs", next_step = "work", r_function = function(self) {
        self$xs <- c(a = 1, b = 2, c = 3)
        self$pid <- Sys.getpid()
      }) %>%
      step(catch(var = "problem"), timeout(seconds = 20), retry(times = 1, minutes_between_retries = 0), step = "work", next_step = "join", r_function = function(self) {
        cat("working on", self$input, "\\n")
        if (self$input == 3) quit()
        self$y <- helper(self$input) + self$alpha
        self$drawn <- rnorm(1)
        self$pid <- Sys.getpid()
      }) %>%
      step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
        self$problems <- lapply(gather_inputs(inputs, "problem"), class)
        self$ys <- unlist(gather_inputs(inputs[1:2], "y"))
        self$drawn <- unlist(gather_inputs(inputs[1:2], "drawn"))
        self$pids <- c(unlist(gather_inputs(inputs, "pid")), Sys.getpid())
      }) %>%
      step(step = "end")
    for (mode in c("fork", "fresh")) run(flow, isolation = mode, seed = 7, alpha = 0.25)
    tryCatch(run(flow, isolation = "spoon"), metaflow_usage_error = function(e) cat(conditionMessage(e)))
  '))
  done <- run_flow_well(folder)
  expect_match(done$stdout, "isolation must be \"fork\" or \"fresh\", not \"spoon\".", fixed = TRUE)
  runs <- lapply(1:2, function(i) run_client$new("FreshFlow", i))
  for (name in c("problems", "ys", "drawn")) expect_identical(runs[[2]]$artifact(name), runs[[1]]$artifact(name))
  expect_identical(runs[[2]]$artifact("ys"), c(2.25, 3.25))
  expect_identical(runs[[2]]$artifact("problems")[[3]][[1]], "metaflow_quit_error")
  logs <- lapply(runs, function(run) run$steps$work$tasks[[1]]$stdout)
  expect_identical(logs[[2]], logs[[1]])
  # The failed task has the pid of the start, which it did not replace.
  expect_identical(anyDuplicated(runs[[2]]$artifact("pids")), 0L)
})

test_that("a switch takes the case that an artifact names, and may come back to its own step", {
  folder <- local_flow_folder()
  write_flow(folder, c(in_one_process, '
    switching <- function(value) {
      metaflow("SwitchFlow") %>%
        step(step = "start", next_step = "count", r_function = function(self) self$n <- 0) %>%
        step(step = "count", next_step = list(again = "count", done = "pick"), condition = "what", r_function = function(self) {
          self$n <- self$n + 1
          self$what <- if (self$n < 3) "again" else "done"
        }) %>%
        step(step = "pick", next_step = list(`TRUE` = "yes", `FALSE` = "no"), condition = "ok", r_function = function(self) self$ok <- value) %>%
        step(step = "yes", next_step = "end", r_function = function(self) self$went <- "yes") %>%
        step(step = "no", next_step = "end", r_function = function(self) self$went <- "no") %>%
        step(step = "end")
    }
    attempt <- function(...) tryCatch(run(...), metaflow_run_error = function(e) NULL)
    for (value in list(TRUE, FALSE, NA, "maybe")) attempt(switching(value))
  '))
  done <- run_flow_well(folder)
  flow <- flow_client$new("SwitchFlow")
  expect_identical(vapply(1:4, function(i) flow$run(i)$status, ""), c("completed", "completed", "failed", "failed"))
  expect_identical(flow$run(1)$artifact("n"), 3)
  expect_identical(c(flow$run(1)$artifact("went"), flow$run(2)$artifact("went")), c("yes", "no"))
  expect_match(done$stdout, "The condition 'ok' must be a single value, but is NA.", fixed = TRUE)
  expect_match(done$stdout, "The condition 'ok' is \"maybe\", which is none of the cases: 'TRUE', 'FALSE'.", fixed = TRUE)
})

test_that("a step that leaves nothing to split by fails with an error of R, like any other", {
  folder <- local_flow_folder()
  flow <- metaflow("SplitFlow") %>%
    step(step = "start", foreach = "values", next_step = "each", r_function = function(self) self$vlaues <- 1:3) %>%
    step(step = "each", next_step = "join") %>%
    step(step = "join", join = TRUE, next_step = "end") %>%
    step(step = "end")
  utils::capture.output(e <- tryCatch(run(flow), metaflow_run_error = identity))
  expect_match(conditionMessage(e), "AttributeError: flow has no attribute 'values' to split by", fixed = TRUE)
  expect_s3_class(step_client$new("SplitFlow/1/start")$a_task$exception, "metaflow_attribute_error")
})

test_that("a worker that served many tasks has no more files open than at the first", {
  skip_if_not(dir.exists("/proc/self/fd"), "open files are looked at in /proc")
  folder <- local_flow_folder()
  flow <- metaflow("OpenFlow") %>%
    step(step = "start", foreach = "xs", next_step = "count", r_function = function(self) self$xs <- 1:12) %>%
    step(step = "count", next_step = "join", r_function = function(self) self$open <- length(list.files("/proc/self/fd"))) %>%
    step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) self$open <- unlist(gather_inputs(inputs, "open"))) %>%
    step(step = "end")
  utils::capture.output(result <- run(flow, max_workers = 1L))
  expect_length(unique(result$run$artifact("open")), 1L)
})
