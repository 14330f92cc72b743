# The user's decorators around a step, in the task (R/step-decorator.R). `body` runs the step itself and says, as
# run_guarded() does, how it ended.

run_decorated <- function(decorators, step, self, inputs, body) {
  contexts <- lapply(decorators, decorator_context, step = step, self = self, inputs = inputs)
  hook <- function(i, name) run_decorator_hook(decorators[[i]], name, contexts[[i]])
  result <- list(ok = TRUE)
  entered <- 0L
  for (i in seq_along(decorators)) {
    result <- hook(i, "before")
    if (!result$ok) break
    entered <- i
  }
  if (result$ok) result <- body()
  for (i in rev(seq_along(decorators))) {
    if (!result$ok) break
    result <- hook(i, "after")
  }
  if (!result$ok) for (i in rev(seq_len(entered))) {
    contexts[[i]]$error <- result$condition
    told <- hook(i, "on_error")
    if (!told$ok) cat("Warning: on_error of decorator '", decorators[[i]]$name, "' failed.\n", format_failure(told$error), "\n", sep = "", file = stderr())
  }
  result
}

decorator_context <- function(decorator, step, self, inputs) {
  facts <- the$task$current
  args <- lapply(decorator$args, function(a) if (is_cfg(a)) current_cfg(a) else a)
  ctx <- list2env(list(self = self, inputs = inputs, args = args, step = step, error = NULL), parent = emptyenv())
  # Whoever looks at these has seen what may be another thing in the next run (memory-trace.R).
  delayedAssign("attempt", {
    note_read("current:retry_count")
    facts$retry_count
  }, assign.env = ctx)
  delayedAssign("current", {
    note_volatile("a decorator of its step looked at ctx$current, which has its pathspec")
    facts
  }, assign.env = ctx)
  structure(ctx, class = "metaflow_context")
}

#' @export
print.metaflow_context <- function(x, ...) {
  own <- setdiff(ls(x), c("self", "inputs", "args", "step", "attempt", "current", "error"))
  cat("<ctx> of step ", x$step, ", attempt ", x$attempt, if (length(own)) paste0(": ", paste(own, collapse = ", ")), "\n", sep = "")
  invisible(x)
}

run_decorator_hook <- function(decorator, name, ctx) {
  f <- decorator[[name]]
  if (is.null(f)) return(list(ok = TRUE))
  label <- paste0(decorator$name, ".", name)
  functions <- list2env(stats::setNames(list(f), label), parent = baseenv())
  scope <- list2env(list(ctx = ctx), parent = functions)
  takes <- length(formals(args(f))) > 0L
  run_guarded(list(call = as.call(c(as.name(label), if (takes) quote(ctx))), scope = scope))
}
