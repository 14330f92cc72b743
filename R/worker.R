# The R worker: one process per slot of the local engine, or one per task on a remote machine.
#
# It is started by `worker_command()`, reads one JSON line per order on its stdin and answers with
# one JSON line on its stdout:
#
#   {"op":"init", code, blobs, asks, store, parameters, current}   ->  {"t":"ready"} or {"t":"broken","message"}
#   {"op":"task", step, task, dir, ...}               ->  {"t":"writing","file"}, {"t":"need","file"}, ..., {"t":"end"}
#   {"op":"exit"}, or end of file                     ->  the worker ends
#
# The outcome of a task is in its folder, not on the wire: `result.json` says success or R error,
# neither means that the process died, and repeats what the order has as `echo`. So a worker whose
# scheduler is gone still finishes its task, and the next `resume` finds the result.
#
# In mode "fork" each task runs in a forked child, so it starts from the clean state of this process
# and pays 3.5 ms instead of R's start. So nothing here may start threads: no Python, no arrow. In
# mode "fresh" the task runs here, and the process ends with it.
#
# `opens`: another worker waits until descriptor 3 is closed, see start_workers().
worker_main <- function(mode = c("fork", "fresh"), opens = FALSE) {
  mode <- match.arg(mode)
  # It was for this process, not for what a step starts.
  if (identical(Sys.getenv("GLIBC_TUNABLES"), huge_pages)) Sys.unsetenv("GLIBC_TUNABLES")
  wire <- open_wire()
  if (mode == "fork") warm_up()
  if (opens) close(processx::conn_create_fd(3L))
  the$wire <- wire
  watch_quit()
  repeat {
    line <- readLines(wire$input, n = 1L, warn = FALSE)
    if (!length(line)) break
    if (mode == "fork" && startsWith(line, "{\"op\":\"task\"")) {
      send_line(wire, run_forked(line))
      next
    }
    order <- exact_fields(parse_json(line))
    if (order$op == "exit") break
    if (order$op == "init") {
      send(wire, tryCatch(
        {
          worker_init(order)
          list(t = "ready", pid = Sys.getpid())
        },
        error = function(e) list(t = "broken", message = conditionMessage(e))
      ))
    } else {
      run_task(order)
      send(wire, list(t = "end"))
      break
    }
  }
  quit(save = "no")
}

rscript <- function() file.path(R.home("bin"), "Rscript")

worker_command <- function(mode = "fork", opens = FALSE) {
  call <- sprintf(if (opens) "metaflow:::worker_main(\"%s\", opens = TRUE)" else "metaflow:::worker_main(\"%s\")", mode)
  c(rscript(), "--vanilla", heap_options, "-e", call)
}

# From which size of its vectors on R collects garbage; memory is taken only as it is used. A collection in a forked child
# touches, and so copies, all that it shares with its parent: with R's own mark, reading 100 MB takes twice as long. The
# mark for cells is R's own, whatever R_NSIZE says: a parent with a higher one keeps its garbage, and each fork copies the
# map of all memory.
heap_options <- c("--min-vsize=256M", "--min-nsize=350000")

# A process of ours that drives a run loads reticulate, and so Matrix: with R's own mark it collects garbage for 200 of the
# 650 ms that this takes.
driver_command <- function(call) c(rscript(), "--vanilla", "--min-nsize=2M", "-e", call)

# How a task runner on a machine of a cluster, which has the same files, starts a worker for its one task.
worker_elsewhere <- function() {
  list(command = I(worker_command("fresh")), environment = as.list(worker_environment()[c("R_LIBS", "GLIBC_TUNABLES")]))
}

# Where this package is installed; a worker must load the same one.
package_library <- function() dirname(system.file(package = "metaflow"))

# What a worker inherits besides the environment of the session. `mark` is its own: it tells what a
# task has started, wherever that went (python/metaflow_core/backends/process_tree.py).
worker_environment <- function(mark = "1") {
  c(
    R_LIBS = paste(unique(c(package_library(), .libPaths())), collapse = .Platform$path.sep),
    METAFLOW_WORKER = mark,
    GLIBC_TUNABLES = env_or("GLIBC_TUNABLES", huge_pages)
  )
}

# Large vectors in pages of 2 MB where the kernel has them: reading 2 GB in a task takes 1.4 instead of 2.3 s. Only glibc
# looks at it; whoever has tuned that gets their own.
huge_pages <- "glibc.malloc.hugetlb=1"

# A field of an order is read by its whole name: `order$catch` is not `order$catch_var`, as it would be in a list.
exact_fields <- function(order) {
  class(order) <- "metaflow_order"
  order
}

#' @export
`$.metaflow_order` <- function(x, name) .subset2(x, name)

# The protocol gets a descriptor of its own; whatever prints on stdout before a task has its log
# open cannot break it.
open_wire <- function() {
  output <- processx::conn_set_stdout(processx::conn_create_file(null_device(), write = TRUE), drop = FALSE)
  list(input = file("stdin", "r"), output = output)
}

null_device <- function() if (.Platform$OS.type == "windows") "NUL" else "/dev/null"

send <- function(wire, message) send_line(wire, json(message))

send_line <- function(wire, text) {
  write_all(wire$output, charToRaw(paste0(text, "\n")))
}

# Loads the run's code once; forked children inherit it.
worker_init <- function(order) {
  the$worker <- list(
    blobs = order$blobs,
    asks = isTRUE(order$asks),
    store = order$store,
    parameters = order$parameters,
    current = order$current,
    code = load_code(order$code, isTRUE(order$trace)),
    ready = new.env()
  )
  options(warn = 1L, keep.source = TRUE)
}
