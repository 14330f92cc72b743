# The floors, measured in plain R: Rscript floor.R NAME prints seconds.
what <- commandArgs(TRUE)[[1]]
clock <- function() as.numeric(Sys.time())
seconds <- function(expr) { began <- clock(); force(expr); clock() - began }
make <- list(
  frame = function() { n <- 1e8 / 40; data.frame(a = runif(n), b = rnorm(n), c = seq_len(n) + 0, d = runif(n), e = runif(n)) },
  list2gb = function() lapply(1:32, function(i) runif(2^30 / 8 / 16)),
  strings = function() data.frame(s = sample(sprintf("string-%07d", 1:1e6), 2e6, replace = TRUE))
)
if (what == "fork") {
  # 200 children in a row, each a process of its own that says it is done. Rscript floor.R fork [ROUNDS]
  rounds <- if (length(commandArgs(TRUE)) > 1L) as.integer(commandArgs(TRUE)[[2]]) else 5L
  f <- function(name) get(name, asNamespace("parallel"))
  for (round in seq_len(rounds)) cat(seconds(for (i in 1:200) {
    child <- f("mcfork")()
    if (inherits(child, "masterProcess")) f("mcexit")(0L, TRUE)
    repeat { s <- f("selectChildren")(child, -1); if (is.null(s) || !is.raw(f("readChild")(child))) break }
  }), "\n")
} else if (what == "read") {
  con <- file(commandArgs(TRUE)[[2]], "rb")
  cat(seconds({ unserialize(con); close(con) }), "\n")
} else {
  value <- make[[what]]()
  path <- tempfile(tmpdir = commandArgs(TRUE)[[2]])
  # The first time the machine may have to give the kernel memory for the file; the second is R's own speed.
  for (round in 1:2) {
    unlink(path)
    con <- file(path, "wb")
    write <- seconds({ serialize(value, con, xdr = FALSE); close(con) })
    # As the next step does: in a process that has not made the value, and so knows none of its texts.
    this <- sub("^--file=", "", grep("^--file=", commandArgs(), value = TRUE))
    read <- as.numeric(system2(file.path(R.home("bin"), "Rscript"), c("--vanilla", this, "read", path), stdout = TRUE))
    cat(write, read, file.size(path), "\n")
  }
  unlink(path)
}
