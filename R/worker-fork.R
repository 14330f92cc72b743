# A forked child for one task.
#
# `parallel::mcparallel()` + `mccollect()` do the same in 6.7 ms; the functions below them, which
# `parallel` does not export, need 3.5 ms. They have been stable since R 2.14 and are what the
# `future` ecosystem builds on, too.

parallel_function <- function(name) get(name, envir = asNamespace("parallel"), mode = "function")

run_forked <- function(order) {
  child <- parallel_function("mcfork")()
  if (inherits(child, "masterProcess")) {
    on.exit(parallel_function("mcexit")(1L))
    run_task(order)
    parallel_function("mcexit")(0L, TRUE)
  }
  finished <- wait_for_child(child)
  list(pid = child$pid, finished = finished)
}

# TRUE when the child said that it was done, FALSE when it just vanished. A process that the step
# left behind may hold the pipe open, so the child's word counts and not the end of the pipe.
wait_for_child <- function(child) {
  select <- parallel_function("selectChildren")
  finished <- FALSE
  repeat {
    ready <- select(child, if (finished) 1 else -1)
    if (is.null(ready)) break
    if (!is.integer(ready)) {
      if (finished) break else next
    }
    message <- parallel_function("readChild")(child)
    if (!is.raw(message)) break
    finished <- TRUE
  }
  finished
}
