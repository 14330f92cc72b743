# Makes a worker warm: runs a tiny task in the worker's own process once, before the first fork.
#
# Functions of a package are read from disk when they are first used. A forked child would do that
# anew for every task: 20 ms, of which 15 go away when its parent has done it already. It is done while
# Python loads in the main process, so nobody waits for it.
warm_up <- function() {
  folder <- tempfile("warm-")
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  kept <- list(the$task, the$worker)
  bytes <- write_values(list(x = 1), folder)$x
  the$worker <- list(
    blobs = folder, parameters = list(), current = list(flow_name = "", run_id = ""),
    code = list(functions = list(warm = function(self) self$y <- self$input), late_packages = character(), rng = RNGkind())
  )
  dir.create(file.path(folder, "pa"))
  file.copy(file.path(folder, "pack"), file.path(folder, "pa", "pack"))
  ref <- sprintf("pack 0 %d -", bytes$size)
  run_redirected(list(
    step = "warm", task = "0", attempt = 0L, position = "warm", dir = folder, seed = 1L, parents = list(), frames = list(),
    stack = list(list(index = 0L, count = 1L, ref = ref)), artifacts = list(x = ref)
  ))
  close(processx::conn_create_file(file.path(folder, "log"), write = TRUE))
  lapply(c("mcfork", "mcexit", "selectChildren", "readChild"), parallel_function)
  the$task <- kept[[1]]
  the$worker <- kept[[2]]
  rm(list = intersect(".Random.seed", ls(globalenv(), all.names = TRUE)), envir = globalenv())
  gc(verbose = FALSE)
  invisible()
}
