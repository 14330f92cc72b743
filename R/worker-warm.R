# Makes a worker warm: runs a tiny task in the worker's own process once, before the first fork.
#
# Functions of a package are read from disk when they are first used. A forked child would do that
# anew for every task: 20 ms, of which 15 go away when its parent has done it already. It is done while
# Python loads in the main process, so nobody waits for it.
#
# Garbage is left alone: a collection here makes the first tasks cheaper, but after some hundred there is no difference.
warm_up <- function() {
  folder <- tempfile("warm-")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  kept <- list(the$task, the$worker)
  warm_init(folder)
  staged <- write_values(list(w = 1, x = 1), folder)$x
  dir.create(file.path(folder, "pa"))
  file.copy(file.path(folder, "pack"), file.path(folder, "pa", "pack"))
  ref <- sprintf("pack %d %d -", staged$offset, staged$size)
  order <- json(list(
    step = "warm", task = "0", attempt = 0L, dir = folder, seed = 1L, echo = "{\"step\":\"warm\"}",
    stack = list(list(index = 0L, count = 1L, ref = ref)), artifacts = list(x = ref)
  ))
  open_logs(folder)
  run_redirected(exact_fields(parse_order(order)))
  redirect_output(null_device(), null_device())
  log <- processx::conn_create_file(file.path(folder, "log"), write = TRUE)
  send(list(output = log), list(t = "warm"))
  close(log)
  warm_functions()
  the$task <- kept[[1]]
  the$worker <- kept[[2]]
  rm(list = intersect(".Random.seed", ls(globalenv(), all.names = TRUE)), envir = globalenv())
  invisible()
}

warm_init <- function(folder) {
  code <- list(functions = list(warm = function(self) self$y <- self$input), globals = structure(list(), names = character()), packages = character(), rng = RNGkind())
  write_value(code, file.path(folder, "code"))
  worker_init(list(blobs = folder, parameters = list(), current = list(flow_name = "", run_id = ""), code = file.path(folder, "code")))
}

# What only a fork and its child need, read from disk without being called.
warm_functions <- function() {
  find_fork_calls()
  lapply(c(list(run_forked, run_task, redirect_input, wait_for_child, compile_reached, base64_bytes, seek), the$fork_calls), force)
}
