# Runs one step function in this process and leaves the outcome in the task's folder.
#
# The folder gets `stdout.log` and `stderr.log` while the step runs, then the staged values of the
# artifacts and `result.json`, which appears by rename and names all of them.

run_task <- function(order) {
  open_logs(order$dir)
  redirect_input()
  run_redirected(order)
}

open_logs <- function(folder) {
  dir.create(folder, showWarnings = FALSE, recursive = TRUE)
  redirect_streams(paste0(folder, "/stdout.log"), paste0(folder, "/stderr.log"))
}

# `order$echo` is what `result.json` repeats of the order, for whoever finds it after the engine died.
run_redirected <- function(order) {
  started <- as.numeric(Sys.time())
  the$quit_folder <- order$dir
  if (length(order$env)) do.call(Sys.setenv, order$env)
  the$task <- new_task_state(order, the$worker$blobs, the$worker$parameters, task_facts(order))
  the$task$folder <- order$dir
  start_trace(order)
  result <- tryCatch(perform_task(order), error = function(e) failure(e, list())[c("ok", "error")])
  if (!isTRUE(result$ok)) cat(format_failure(result$error), "\n", sep = "", file = stderr())
  result <- c(result, trace_result())
  the$trace <- NULL
  result$usage <- process_usage(as.numeric(Sys.time()) - started)
  result$started_at <- started
  result$finished_at <- as.numeric(Sys.time())
  if (file.exists(task_tempdir(order))) unlink(task_tempdir(order), recursive = TRUE)
  flush.connection(stdout())
  write_result(order$dir, result, order$echo %||% "{}")
  the$quit_folder <- NULL
}

perform_task <- function(order) {
  result <- call_step(order)
  # A step that did its work can still leave what cannot be stored, or nothing to split by: its error, too.
  if (result$ok) result <- tryCatch(staged_success(order), error = function(e) failure(e, list()))
  if (result$ok) return(result)
  if (catches(order[["catch"]], result$error$cause)) return(caught(order, result))
  with_staged(result, order$dir)
}

call_step <- function(order) {
  if (!is.null(order$fallback)) return(fallback_failure(order$fallback))
  code <- the$worker$code
  seed_task(order$seed, code$rng)
  enter_code(code)
  self <- new_self()
  inputs <- if (isTRUE(order$join)) new_inputs(the$task)
  prepared <- prepare_step(order$step)
  decorators <- code$decorators[[order$step]]
  if (is.null(decorators)) return(perform_step(prepared, self, inputs))
  run_decorated(decorators, order$step, self, inputs, function() {
    # What a decorator draws is not the step's business.
    seed_task(order$seed, code$rng)
    perform_step(prepared, self, inputs)
  })
}

perform_step <- function(prepared, self, inputs) {
  if (is.null(prepared$call)) {
    if (!is.null(inputs)) merge_agreeing(inputs)
    return(list(ok = TRUE))
  }
  scope <- list2env(list(self = self, inputs = inputs), parent = prepared$functions)
  run_guarded(list(call = if (is.null(inputs)) prepared$call else prepared$join_call, scope = scope))
}

# What all tasks of a step need alike; a worker that forks has it before the first of them. The calls `start(self)` and
# `join(self, inputs)`, and where to evaluate them: errors, warnings and call stacks name the step. There are two
# environments, the task's below this one, because a step may be called "self".
prepare_step <- function(name) {
  ready <- the$worker$ready
  if (!is.null(ready[[name]])) return(ready[[name]])
  compile_reached(name)
  f <- the$worker$code$functions[[name]]
  ready[[name]] <- if (is.null(f)) list() else list(
    functions = list2env(stats::setNames(list(f), name), parent = baseenv()),
    call = as.call(c(as.name(name), step_arguments(f, TRUE))), join_call = as.call(c(as.name(name), step_arguments(f, FALSE)))
  )
}

# The generators are those of the session that built the flow, so that set.seed(42) in a step gives the
# numbers that it gives there. Most tasks draw none: the state of the generator is made when somebody looks at it, which
# R's own generators do with a promise as with a vector.
seed_task <- function(seed, kinds) {
  force(kinds)
  seed_streams(seed)
  delayedAssign(".Random.seed", seeded(seed, kinds), assign.env = globalenv())
}

seeded <- function(seed, kinds) {
  home <- globalenv()
  # R would look for the earlier state, which is this promise.
  rm(".Random.seed", envir = home)
  seed_now <- function() set.seed(seed, kind = kinds[[1]], normal.kind = kinds[[2]], sample.kind = kinds[[3]])
  # R warns of the sampling of before R 3.6; whoever chose it knows.
  if (identical(kinds[[3]], "Rounding")) suppressWarnings(seed_now()) else seed_now()
  get(".Random.seed", envir = home)
}

# A step may take fewer arguments than there are: function() is fine.
step_arguments <- function(step_function, alone) {
  wanted <- names(formals(args(step_function)))
  given <- if (alone) list(quote(self)) else list(quote(self), quote(inputs))
  if ("..." %in% wanted) given else utils::head(given, length(wanted))
}

run_guarded <- function(step) {
  raised <- NULL
  # The step's own call comes after tryCatch()'s four frames, withCallingHandlers() and two of eval().
  start <- sys.nframe() + 8L
  tryCatch(
    {
      withCallingHandlers(
        eval(step$call, step$scope),
        error = function(e) {
          # Only taken down here: after an endless recursion there is hardly room for a call of ours.
          raised <<- list(calls = sys.calls(), functions = lapply(seq_len(sys.nframe()), sys.function), frames = sys.frames())
        }
      )
      list(ok = TRUE)
    },
    error = function(e) if (is.null(raised)) failure(e, list()) else failure_in(e, raised, start)
  )
}

# `raised`: the stack at the moment of the error.
failure_in <- function(e, raised, start) {
  # A dump that fails must not hide the error.
  dump <- tryCatch(dump_frames(raised$calls, raised$functions, raised$frames, start), error = function(e) list())
  failure(e, trace_frames(raised$calls, raised$functions, start), dump)
}

failure <- function(e, frames, dump = list()) {
  list(ok = FALSE, error = error_record(e, frames), condition = slim_condition(e), dump = dump)
}

catches <- function(catch, cause) !is.null(catch) && !cause %in% unlist(catch$unless)

# `catch`: the step counts as done, and the condition becomes an artifact. What the failed attempt
# assigned is dropped, as it is when the process died; mf_debug() opens it like one that failed.
caught <- function(order, failed) {
  rm(list = ls(the$task$values, all.names = TRUE), envir = the$task$values)
  the$task$assigned <- character()
  the$task$carried <- list()
  the$task$refs <- c(the$task$parameters, order$artifacts)
  if (isTRUE(order[["catch"]]$print)) cat(format_failure(failed$error), "\n", sep = "", file = stderr())
  if (!is.null(order[["catch"]]$var)) self_set(order[["catch"]]$var, failed$condition)
  result <- staged_success(order)
  result$caught <- order[["catch"]]$var %||% "(not kept)"
  result$error <- failed$error
  c(result, tryCatch(staged_error(failed, order$dir), error = function(e) list()))
}

# The last attempt ended without an R condition (killed, out of time): make one, to be caught.
fallback_failure <- function(record) {
  condition <- structure(
    class = c(unlist(record$classes), "metaflow_task_error", "error", "condition"),
    list(message = record$message, call = NULL, cause = record$cause)
  )
  list(ok = FALSE, error = record, condition = condition, dump = list())
}

staged_success <- function(order) {
  state <- the$task
  if (!is.null(order$catch_var) && !order$catch_var %in% state$assigned) self_set(order$catch_var, NULL)
  values <- mget(state$assigned, envir = state$values)
  result <- list(ok = TRUE, artifacts = values_json(write_values(values, order$dir, announce = announce_file)), carried = state$carried)
  if (!is.null(order$foreach)) result$foreach <- stage_splits(order$foreach, order$dir)
  if (!is.null(order$condition)) result$condition <- switch_key(order$condition, unlist(order$cases))
  result
}

# The engine hashes a large file while it is being written.
announce_file <- function(name) {
  if (!is.null(the$wire)) send(the$wire, list(t = "writing", file = name))
}

# A failed attempt keeps what it had assigned so far, for whoever debugs it.
with_staged <- function(result, folder) {
  state <- the$task
  values <- mget(state$assigned, envir = state$values)
  values <- Filter(Negate(is.null), values)
  staged <- tryCatch(
    c(staged_error(result, folder), list(artifacts = values_json(write_values(values, folder)))),
    error = function(e) list(artifacts = as_json("{}"))
  )
  c(list(ok = FALSE, error = result$error), staged)
}

staged_error <- function(failed, folder) {
  told <- write_values(list(condition = failed$condition, dump = failed$dump), folder, "error")
  list(error_value = told$condition, frames_value = told$dump)
}

task_facts <- function(order) {
  facts <- the$worker$current
  facts$step_name <- order$step
  facts$task_id <- order$task
  facts$pathspec <- paste(facts$flow_name, facts$run_id, order$step, order$task, sep = "/")
  facts$retry_count <- as.integer(order$attempt)
  facts$seed <- as.integer(order$seed)
  facts$tags <- unlist(facts$tags)
  facts$tempdir <- task_tempdir(order)
  facts
}

task_tempdir <- function(order) paste0(tempdir(), "/task-", order$task, "-", order$attempt)

# The real stdin is the protocol's: a step, or a program that it starts, reads the end of a file at once
# instead of waiting for ever (or for an order that is not for it).
redirect_input <- function() {
  if (.Platform$OS.type == "windows") return(invisible())
  fork_calls()$close(0L)
  # The lowest free descriptor is 0, and it stays open as long as this connection is remembered.
  the$stdin <- file_calls()$read(null_device())
}

# `quit()` in a step ends the process in good order, which would look like a crash. The mark tells
# the engine which of the two it was. Set up once in the worker: `the$quit_folder` is there while a task runs.
watch_quit <- function() {
  the$quit_mark <- new.env()
  reg.finalizer(the$quit_mark, function(mark) {
    if (!is.null(the$quit_folder)) file.create(file.path(the$quit_folder, "quit"))
  }, onexit = TRUE)
}

# Units: seconds and bytes, of this process and of what it ran and waited for. Peak memory is the kernel's
# high-water mark; bytes read and written are those that passed through system calls. They have no
# portable source, so they are absent where /proc is.
#
# A new text is a write to a random place in R's table of all texts, for which a forked child copies a page: a file is one
# text, not one for each line, and so is the answer, the JSON of an object.
process_usage <- function(wall) {
  times <- proc.time()
  below <- times[4:5]
  below[is.na(below)] <- 0
  cpu <- times[1:2] + below
  told <- proc_texts()
  as_json(sprintf(
    "{\"wall\":%.6f,\"user\":%.3f,\"system\":%.3f,\"max_rss_bytes\":%s,\"read_bytes\":%s,\"written_bytes\":%s}",
    wall, cpu[[1]], cpu[[2]], proc_number(told[[2]], "VmHWM:", "kB", 1024),
    proc_number(told[[1]], "rchar:", "\n"), proc_number(told[[1]], "wchar:", "\n")
  ))
}

# What the kernel says of this process: what it read and wrote (first, as this is reading, too), and its memory; "" where it
# says nothing. A container may hide /proc/self/io even from its owner.
proc_texts <- function(files = c("/proc/self/io", "/proc/self/status")) {
  if (!file.exists(files[[1]])) return(c("", ""))
  one_by_one <- function(e) {
    vapply(files, function(file) tryCatch(proc_text(file), error = function(e) "", warning = function(w) ""), "")
  }
  tryCatch(c(proc_text(files[[1]]), proc_text(files[[2]])), error = one_by_one, warning = one_by_one)
}

proc_text <- function(path) rawToChar(readBin(path, "raw", 8192L))

# The number between two texts, times `unit`, as JSON.
proc_number <- function(text, before, after, unit = 1) {
  at <- regexpr(before, text, fixed = TRUE)
  if (at < 0L) return("null")
  start <- at + nchar(before)
  rest <- substr(text, start, start + 30L)
  number <- as.numeric(substr(rest, 1L, regexpr(after, rest, fixed = TRUE) - 1L)) * unit
  if (is.na(number)) "null" else sprintf("%.0f", number)
}

# `echo`: more fields, as the JSON of an object.
write_result <- function(folder, result, echo = "{}") {
  path <- paste0(folder, "/result.json")
  part <- paste0(path, ".part")
  text <- json(result)
  if (nchar(echo) > 2L) text <- paste0(substr(text, 1L, nchar(text) - 1L), ",", substring(echo, 2L))
  write_file(part, charToRaw(text))
  file.rename(part, path)
}
