# A forked task must be able to use whatever starts threads or processes of its own. Fifty tasks of each
# kind, two at a time; a task that hangs is killed by its timeout and fails the test.

fifty_tasks <- function(code, packages = character()) {
  folder <- local_flow_folder()
  write_flow(folder, c(
    sprintf("library(%s)", packages),
    'metaflow("Fifty") %>%',
    '  step(step = "start", r_function = function(self) self$xs <- 1:50, foreach = "xs", next_step = "work") %>%',
    sprintf('  step(step = "work", timeout(seconds = 60), r_function = function(self) { i <- self$input; self$y <- { %s } }, next_step = "join") %%>%%', code),
    '  step(step = "join", join = TRUE, r_function = function(self, inputs) self$ys <- unlist(gather_inputs(inputs, "y")), next_step = "end") %>%',
    '  step(step = "end", r_function = function(self) cat("SUM", sum(self$ys), "\\n")) %>%',
    "  run()"
  ))
  done <- run_flow_well(folder, "run", timeout = 900)
  as.numeric(sub(".*SUM ([0-9.e+]+).*", "\\1", grep("SUM", done$lines, value = TRUE)))
}

test_that("data.table with its threads, attached in the parent", {
  code <- "data.table::setDTthreads(2); d <- data.table(g = rep(1:100, 1000), v = 1); sum(d[, .(s = sum(v)), by = g]$s) / 1e5 * i"
  expect_equal(fifty_tasks(code, "data.table"), sum(1:50))
})

# The unit matrix keeps it far from singular: without, one seed in some thousand lost all digits but three.
test_that("matrix algebra of a threaded BLAS", {
  code <- "m <- matrix(runif(250000), 500); p <- crossprod(m) + diag(500); stopifnot(all.equal(solve(p) %*% p, diag(500))); i"
  expect_equal(fifty_tasks(code), sum(1:50))
})

test_that("processes of parallel::mclapply() inside a task", {
  expect_equal(fifty_tasks("sum(unlist(parallel::mclapply(1:4, function(k) k, mc.cores = 2))) / 10 * i"), sum(1:50))
})

test_that("callr starts another R", {
  expect_equal(fifty_tasks("callr::r(function(i) i, list(i = i))"), sum(1:50))
})

test_that("Python with numpy, started by the task", {
  code <- "np <- reticulate::import('numpy', convert = FALSE); as.numeric(reticulate::py_str(np$multiply(i, 1L)))"
  venv <- Sys.getenv("METAFLOW_VENV", path.expand("~/.virtualenvs/r-metaflow"))
  withr::local_envvar(RETICULATE_PYTHON = file.path(venv, "bin", "python"))
  expect_equal(fifty_tasks(code), sum(1:50))
})
