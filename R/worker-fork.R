# A forked child for one task.
#
# `parallel::mcparallel()` + `mccollect()` do the same in 6.7 ms; what is below them, which `parallel` does not export, needs
# 3 ms. It has been stable since R 2.14 and is what the `future` ecosystem builds on, too.

parallel_function <- function(name) get(name, envir = asNamespace("parallel"), mode = "function")

# `line`: the order as it came. The parent does not parse it: every page that it writes to while a child lives is
# copied, and garbage of its own would weigh on the forks that follow.
run_forked <- function(line) {
  calls <- fork_calls()
  calls$compact()
  prepare_step(step_named_in(line))
  pid <- calls$fork()
  if (pid == 0L) {
    on.exit(calls$exit(1L))
    run_task(exact_fields(parse_order(line)))
    # Nobody listens any more when the worker was killed.
    tryCatch(calls$send(child_is_done), error = function(e) NULL)
    calls$exit(0L)
  }
  if (wait_for_child(calls, pid)) task_ended else task_vanished
}

task_ended <- "{\"t\":\"end\",\"finished\":true}"
task_vanished <- "{\"t\":\"end\",\"finished\":false}"
child_is_done <- as.raw(1L)

# `{"op":"task","step":"fit",...`
step_named_in <- function(line) {
  rest <- substr(line, 22L, 400L)
  substr(rest, 1L, regexpr("\"", rest, fixed = TRUE) - 1L)
}

# `fork()` is 0 in the child, and the child's id in its parent. `select(pid, seconds)` is `pid` when the child has said
# something or has ended, `read(pid)` then what it said, or no raw vector.
#
# parallel keeps a list of its children, also of the dead, until `compact()`; a child frees its copy of it, and so copies the
# pages that it is in: the ten thousandth task took 7 instead of 4.7 ms.
#
# A child of parallel waits with its end for a signal of its parent, and so for ever where that was killed meanwhile; `exit()`
# gives the signal itself.
fork_calls <- function() the$fork_calls %||% find_fork_calls()

# Its number here, once, when the package is installed: workers have no other use for 'tools'.
may_end <- tools::SIGUSR1

find_fork_calls <- function(native = native_fork_calls()) {
  the$fork_calls <- native %||% list(
    fork = function() {
      # Whatever the level is here: children of parallel compile nothing.
      level <- compiler::enableJIT(-1)
      child <- parallel_function("mcfork")()
      if (!inherits(child, "masterProcess")) return(child$pid)
      compiler::enableJIT(level)
      0L
    },
    select = function(pid, seconds) parallel_function("selectChildren")(pid, seconds),
    read = function(pid) parallel_function("readChild")(pid),
    send = function(bytes) parallel_function("sendMaster")(bytes),
    exit = function(status) {
      tools::pskill(Sys.getpid(), may_end)
      parallel_function("mcexit")(status)
    },
    close = function(descriptor) parallel_function("closeFD")(descriptor),
    compact = function() parallel_function("cleanup")(kill = FALSE, detach = FALSE)
  )
  the$fork_calls
}

# NULL when R's parallel has others.
native_fork_calls <- function() {
  routines <- known_routines("parallel", "C_mc_", c(
    fork = 1L, select_children = 2L, read_child = 1L, send_master = 1L, kill = 2L, exit = 1L, close_fds = 1L, cleanup = 3L
  ))
  if (is.null(routines)) return(NULL)
  list(
    fork = function() .Call(routines$fork, FALSE)[[1L]],
    select = function(pid, seconds) .Call(routines$select_children, seconds, pid),
    read = function(pid) .Call(routines$read_child, pid),
    send = function(bytes) .Call(routines$send_master, bytes),
    exit = function(status) {
      .Call(routines$kill, Sys.getpid(), may_end)
      .Call(routines$exit, status)
    },
    close = function(descriptor) .Call(routines$close_fds, descriptor),
    compact = function() .Call(routines$cleanup, FALSE, FALSE, FALSE)
  )
}

# TRUE when the child said that it was done, FALSE when it just vanished. A process that the step
# left behind may hold the pipe open, so the child's word counts and not the end of the pipe, and a
# child that is silent is looked at once a second.
wait_for_child <- function(calls, pid) {
  finished <- FALSE
  repeat {
    ready <- calls$select(pid, 1)
    if (isTRUE(ready) && !finished) {
      if (is_running(pid)) next
      ready <- calls$select(pid, 0)
    }
    if (!is.integer(ready)) break
    if (!is.raw(calls$read(pid))) break
    finished <- TRUE
  }
  finished
}

# A child that is dead stays in the process table, as a zombie, until it is asked for.
is_running <- function(pid) {
  state <- if (file.exists("/proc/self/stat")) {
    stat <- tryCatch(readLines(sprintf("/proc/%d/stat", pid), n = 1L), error = function(e) "", warning = function(e) "")
    sub("^.*\\) ", "", stat)
  } else {
    paste(suppressWarnings(system2("ps", c("-o", "state=", "-p", pid), stdout = TRUE)), collapse = "")
  }
  nzchar(state) && !grepl("^[ZX]", state)
}
