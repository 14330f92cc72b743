# What the calls between a step and its error had in hand: a failed task keeps the local variables of the user's
# functions, for mf_debug(). Bounded in size; functions, environments and connections are only described, and
# nothing of the environment variables is kept.

dump_limits <- list(value_bytes = 1e6, total_bytes = 2e7, frames = 40L, names = 200L)

# One entry a frame, outermost first: list(call, file, line, locals). `calls`, `functions` and `frames` are those of the
# handler's stack; `start` is the number of the step's call.
dump_frames <- function(calls, functions, frames, start) {
  last <- length(calls) - 1L
  if (last < start) return(list())
  kept <- Filter(function(i) is_user_function(functions[[i]]), seq(start, last))
  if (length(kept) > dump_limits$frames) kept <- c(utils::head(kept, 5L), utils::tail(kept, dump_limits$frames - 5L))
  budget <- new.env(parent = emptyenv())
  budget$left <- dump_limits$total_bytes
  budget$secrets <- secret_values()
  # The innermost frames matter most, so they have the first call on the budget.
  rev(lapply(rev(kept), function(i) c(trace_frame(calls[[i]]), list(locals = dump_locals(frames[[i]], budget)))))
}

dump_locals <- function(frame, budget) {
  names <- utils::head(sort(setdiff(ls(frame, all.names = TRUE), "...")), dump_limits$names)
  stats::setNames(lapply(names, function(name) dump_local(frame, name, budget)), names)
}

dump_local <- function(frame, name, budget) {
  if (bindingIsActive(name, frame)) return(not_kept("an active binding"))
  if (isTRUE(tryCatch(eval(call("missing", as.name(name)), frame), error = function(e) FALSE))) return(not_kept("a missing argument"))
  # An argument that was not looked at so far is evaluated here, as recover() would; not for long.
  setTimeLimit(elapsed = 2, transient = TRUE)
  on.exit(setTimeLimit())
  value <- tryCatch(get(name, envir = frame, inherits = FALSE), error = function(e) not_kept(conditionMessage(e)))
  dump_value(value, budget)
}

dump_value <- function(value, budget) {
  if (inherits(value, "metaflow_not_kept")) return(value)
  if (inherits(value, c("metaflow_self", "metaflow_inputs", "metaflow_input"))) return(not_kept("ask the task itself: $self, $eval(inputs)"))
  if (is.function(value) || is.environment(value) || inherits(value, "connection") || typeof(value) %in% c("externalptr", "weakref", "promise", "bytecode")) {
    return(not_kept(paste("an object of class", class(value)[[1]])))
  }
  # What Sys.getenv() gives.
  if (inherits(value, "Dlist")) return(not_kept("environment variables"))
  bytes <- as.numeric(utils::object.size(value))
  if (bytes > dump_limits$value_bytes || bytes > budget$left) return(not_kept(sprintf("an object of class %s, %s", class(value)[[1]], format_bytes(bytes))))
  if (is.character(value) && any(value %in% budget$secrets)) return(not_kept("the value of an environment variable that looks secret"))
  if (!is_plain(value)) return(not_kept(paste("an object of class", class(value)[[1]], "that holds an environment")))
  budget$left <- budget$left - bytes
  value
}

# An environment inside (a formula's, a model's) could drag in anything.
is_plain <- function(x) {
  if (is.environment(x) || is.function(x) || typeof(x) %in% c("externalptr", "weakref", "S4")) return(FALSE)
  if (is.list(x) && !all(vapply(unclass(x), is_plain, FALSE))) return(FALSE)
  all(vapply(attributes(x), is_plain, FALSE))
}

secret_values <- function() {
  all <- Sys.getenv()
  secret <- grepl("KEY|SECRET|TOKEN|PASSW|CREDENTIAL", names(all), ignore.case = TRUE) & nchar(all) >= 6L
  unname(as.character(all[secret]))
}

not_kept <- function(what) structure(list(what = what), class = "metaflow_not_kept")

#' @export
print.metaflow_not_kept <- function(x, ...) {
  cat("<not kept: ", x$what, ">\n", sep = "")
  invisible(x)
}

#' @export
format.metaflow_not_kept <- function(x, ...) sprintf("<not kept: %s>", x$what)
