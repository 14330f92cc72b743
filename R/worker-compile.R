# R compiles a function when it has seen that it pays: a large one or one with loops when it is first called. In a worker that
# forks, each child would do that again, so it is done before the first of them, for the same functions: that of the step and
# those of the workspace that it reaches.

compile_reached <- function(step) {
  code <- the$worker$code
  if (compiler::enableJIT(-1) <= 0) return(invisible())
  f <- code$functions[[step]]
  if (is_worth_compiling(f)) the$worker$code$functions[[step]] <- compiled(f)
  # In a memoised flow the objects of the workspace are promises which note that they are looked at.
  if (is.null(the$loaded_notes)) for (name in code$reached[[step]]) {
    f <- get0(name, envir = globalenv(), inherits = FALSE)
    if (is_worth_compiling(f)) assign(name, compiled(f), envir = globalenv())
  }
}

compiled <- function(f) tryCatch(compiler::cmpfun(f), error = function(e) f)

# As R's own compiler decides (R_CheckJIT() of its eval.c), which counts calls and constants.
is_worth_compiling <- function(f) {
  if (typeof(f) != "closure") return(FALSE)
  said <- all.names(body(f))
  length(said) >= 50L || any(c("for", "while", "repeat") %in% said)
}
