# A forked child for one task.
#
# `parallel::mcparallel()` + `mccollect()` do the same in 6.7 ms; the functions below them, which
# `parallel` does not export, need 3.5 ms. They have been stable since R 2.14 and are what the
# `future` ecosystem builds on, too.

parallel_function <- function(name) get(name, envir = asNamespace("parallel"), mode = "function")

# `line`: the order as it came. The parent does not even read it: every page that it writes to while a child lives is
# copied, and garbage of its own would weigh on the forks that follow.
run_forked <- function(line) {
  child <- parallel_function("mcfork")()
  if (inherits(child, "masterProcess")) {
    on.exit(parallel_function("mcexit")(1L))
    run_task(exact_fields(parse_json(line)))
    parallel_function("mcexit")(0L, TRUE)
  }
  if (wait_for_child(child)) task_ended else task_vanished
}

task_ended <- "{\"t\":\"end\",\"finished\":true}"
task_vanished <- "{\"t\":\"end\",\"finished\":false}"

# TRUE when the child said that it was done, FALSE when it just vanished. A process that the step
# left behind may hold the pipe open, so the child's word counts and not the end of the pipe, and a
# child that is silent is looked at once a second.
wait_for_child <- function(child) {
  select <- parallel_function("selectChildren")
  finished <- FALSE
  repeat {
    ready <- select(child, 1)
    if (isTRUE(ready) && !finished) {
      if (is_running(child$pid)) next
      ready <- select(child, 0)
    }
    if (!is.integer(ready)) break
    message <- parallel_function("readChild")(child)
    if (!is.raw(message)) break
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
