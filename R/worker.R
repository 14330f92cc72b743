# The R worker: one process per slot of the local engine, or one per task on a remote machine.
#
# It is started by `worker_command()`, reads one JSON line per order on its stdin and answers with
# one JSON line on its stdout:
#
#   {"op":"init", code, blobs, parameters, current}   ->  {"t":"ready"} or {"t":"broken","message"}
#   {"op":"task", step, task, dir, ...}               ->  {"t":"writing","file"}, ..., {"t":"end","task"}
#   {"op":"exit"}, or end of file                     ->  the worker ends
#
# The outcome of a task is in its folder, not on the wire: `result.json` says success or R error,
# neither means that the process died. So a worker whose scheduler is gone still finishes its task,
# and the next `resume` finds the result.
#
# In mode "fork" each task runs in a forked child, so it starts from the clean state of this process
# and pays 3.5 ms instead of R's start. So nothing here may start threads: no Python, no arrow. In
# mode "fresh" the task runs here, and the process ends with it.
worker_main <- function(mode = c("fork", "fresh")) {
  mode <- match.arg(mode)
  wire <- open_wire()
  if (mode == "fork") warm_up()
  the$wire <- wire
  repeat {
    line <- readLines(wire$input, n = 1L, warn = FALSE)
    if (!length(line)) break
    order <- parse_json(line)
    if (order$op == "exit") break
    if (order$op == "init") {
      send(wire, tryCatch(
        {
          worker_init(order)
          list(t = "ready", pid = Sys.getpid())
        },
        error = function(e) list(t = "broken", message = conditionMessage(e))
      ))
    } else if (mode == "fork") {
      send(wire, c(list(t = "end", task = order$task), run_forked(order)))
    } else {
      run_task(order)
      send(wire, list(t = "end", task = order$task))
      break
    }
  }
  quit(save = "no")
}

worker_command <- function(mode = "fork", root = package_library()) {
  c(
    file.path(R.home("bin"), "Rscript"), "--vanilla", "-e",
    sprintf("metaflow:::worker_main(\"%s\")", mode)
  )
}

# Where this package is installed; a worker must load the same one.
package_library <- function() dirname(system.file(package = "metaflow"))

# What a worker inherits besides the environment of the session. `mark` is its own: it tells what a
# task has started, wherever that went (python/metaflow_core/backends/process_tree.py).
worker_environment <- function(mark = "1") {
  c(
    R_LIBS = paste(unique(c(package_library(), .libPaths())), collapse = .Platform$path.sep),
    METAFLOW_WORKER = mark
  )
}

# The protocol gets a descriptor of its own; whatever prints on stdout before a task has its log
# open cannot break it.
open_wire <- function() {
  output <- processx::conn_set_stdout(processx::conn_create_file(null_device(), write = TRUE), drop = FALSE)
  list(input = file("stdin", "r"), output = output)
}

null_device <- function() if (.Platform$OS.type == "windows") "NUL" else "/dev/null"

send <- function(wire, message) {
  rest <- charToRaw(paste0(json(message), "\n"))
  while (length(rest)) rest <- processx::conn_write(wire$output, rest)
}

# Loads the run's code once; forked children inherit it.
worker_init <- function(order) {
  the$worker <- list(
    blobs = order$blobs,
    parameters = order$parameters,
    current = order$current,
    code = load_code(order$code)
  )
}
