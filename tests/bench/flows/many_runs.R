# What a session that has started already waits for: seconds, one a line.
library(metaflow)
flow <- commandArgs(TRUE)[[1]]
run <- commandArgs(TRUE)[[2]]
get_metadata() # starts Python
clock <- function(expr) {
  gc(verbose = FALSE)
  began <- as.numeric(Sys.time())
  force(expr)
  as.numeric(Sys.time()) - began
}
cat("FIRST", clock(mf_runs(flow)), "\n")
for (i in 1:5) cat("RUNS", clock(stopifnot(nrow(mf_runs(flow)) == 10000L)), "\n")
for (i in 1:5) cat("OPEN", clock(stopifnot(is.character(new_run(flow, as.integer(run) - i)$artifact("x")))), "\n")
