#' Open a failed task
#'
#' Brings a task that failed, also one whose error [catch()] kept, into this R session as it was: its `self` and `inputs`,
#' parameters, seed, the step's function and everything that was captured with it, and the local variables of the calls that
#' led to the error. Nothing is run and nothing is changed in the datastore.
#'
#' * `$self`: reads artifacts and parameters as the step did: `d$self$x`
#' * `$frames`: the calls from the step to the error, outermost first; each has `call`, `file`, `line` and `locals`, a
#'   list of its local variables. What is large, holds an environment or looks secret is described instead of kept
#' * `$frame(n)`: the locals of one as an environment; negative numbers count from the innermost, the default
#' * `$eval(expr)`: evaluates an expression where `self`, `inputs`, the captured functions and objects and
#'   the locals of the innermost frame are seen
#' * `$rerun()`: calls the step's function once more in this session, with the task's seed, and returns what it assigned, as a
#'   list; an error is that of the step
#' * `$browse()`: in an interactive session, a menu of the frames, as [utils::recover()] has it
#' * `$exception`, `$step`, `$functions`, `$globals`, `$packages`, `$parameters`, `$seed`, `$input`, `$pathspec`,
#'   `$attempt`, and `$inputs`, how many inputs a join had: `$eval(inputs[[1]]$x)` reads them
#'
#' @param pathspec A task that failed, caught or not: `"Flow/12/fit/7"`, or its client.
#' @param attempt Which attempt, from 0; by default the last.
#' @param packages `TRUE` attaches the packages that were attached when the flow was built.
#' @return An object with the members above.
#' @export
#' @seealso [mf_retry_task()] runs the task again with the code of now
#' @examples
#' \dontrun{
#' d <- mf_debug("TuneGbmFlow/12/fit_models/7")
#' d
#' d$self$folds
#' d$frame()$x
#' d$eval(head(inputs[[1]]$rows))
#' d$rerun()
#' }
mf_debug <- function(pathspec, attempt = NULL, packages = TRUE) {
  place <- find_place("task", pathspec)
  opened <- core_call("debugging.open_task", view = everywhere(place$view), pathspec = place$pathspec, attempt = attempt_number(attempt))
  if (!is.null(opened$order$language) && opened$order$language != "r") {
    mf_abort(sprintf("%s is a step in Python, which cannot be opened in R.", place$pathspec), "metaflow_usage_error",
      "Run it again in Python with a debugger; its artifacts are in its client.")
  }
  code <- read_value(opened$code)
  if (isTRUE(packages)) attach_packages(code$packages)
  failed_task(place, opened, code)
}

# An environment and not an R6 object, which could have no member called `self`.
failed_task <- function(place, opened, code) {
  order <- opened$order
  new_task <- function() new_task_state(order, opened$blobs, opened$parameters, opened_facts(opened))
  task <- new_task()
  inputs_of <- function(task) if (isTRUE(order$join)) new_inputs(task)
  d <- new.env(parent = emptyenv())
  d$pathspec <- opened$pathspec
  d$attempt <- opened$attempt
  d$seed <- as.integer(order$seed)
  d$packages <- code$packages
  d$functions <- code$functions
  d$step <- code$functions[[order$step]]
  d$globals <- list2env(code$globals, parent = globalenv())
  d$self <- structure(list2env(list(task = task), parent = emptyenv()), class = c("metaflow_opened_self", "metaflow_self"))
  d$frames <- if (is.null(opened$dump)) list() else read_value(opened$dump$path, opened$dump$offset %||% 0, opened$dump$size)
  d$frame <- function(n = -1L) opened_frame(d, n)
  d$eval <- function(expr) {
    expr <- substitute(expr)
    inner <- if (length(d$frames)) d$frame() else d$globals
    scope <- list2env(list(self = new_self(), inputs = inputs_of(task)), parent = inner)
    with_opened(task, with_workspace(d$globals, eval(expr, scope)))
  }
  d$rerun <- function() {
    again <- new_task()
    with_opened(again, with_workspace(d$globals, {
      seed_task(d$seed, code$rng)
      scope <- list2env(list(step = d$step, self = new_self(), inputs = inputs_of(again)), parent = baseenv())
      eval(as.call(c(quote(step), step_arguments(d$step, !isTRUE(order$join)))), scope)
      mget(again$assigned, envir = again$values)
    }))
  }
  d$browse <- function() browse_frames(d)
  makeActiveBinding("exception", function() task_exception(place), d)
  makeActiveBinding("parameters", function() with_opened(task, sapply(names(task$parameters), self_get, simplify = FALSE)), d)
  makeActiveBinding("input", function() with_opened(task, self_reserved_value("input", task)), d)
  d$inputs <- length(order$inputs$items)
  lockEnvironment(d, bindings = FALSE)
  structure(d, class = "metaflow_debug")
}

# The locals of a frame, with the captured objects behind them.
opened_frame <- function(d, n) {
  count <- length(d$frames)
  at <- if (n < 0L) count + 1L + as.integer(n) else as.integer(n)
  if (at < 1L || at > count) {
    mf_abort(sprintf("There is no frame %d: %s has %s.", as.integer(n), d$pathspec, count_of(count, "frame")), "metaflow_usage_error",
      if (count) "They are numbered from 1, the outermost." else "The process died without an R error, or no function of yours was being called.")
  }
  list2env(d$frames[[at]]$locals, parent = d$globals)
}

# Captured functions look for each other in the workspace, as they do in a task. It is as it was afterwards.
with_workspace <- function(globals, code) {
  home <- globalenv()
  names <- ls(globals, all.names = TRUE)
  hidden <- mget(intersect(names, ls(home, all.names = TRUE)), envir = home)
  on.exit({
    rm(list = intersect(names, ls(home, all.names = TRUE)), envir = home)
    list2env(hidden, envir = home)
  })
  list2env(as.list(globals, all.names = TRUE), envir = home)
  code
}

browse_frames <- function(d) {
  if (!interactive()) {
    mf_abort("$browse() needs somebody to answer its menu.", "metaflow_usage_error", "Look at $frames, or evaluate something with $eval().")
  }
  repeat {
    chosen <- utils::menu(frame_titles(d$frames), title = "Enter a frame number, or 0 to leave")
    if (chosen == 0L) break
    eval(quote(browser()), d$frame(chosen))
  }
  invisible()
}

#' @export
print.metaflow_debug <- function(x, ...) {
  print_opened(x)
  invisible(x)
}

# What current() says in the task.
opened_facts <- function(opened) {
  order <- opened$order
  facts <- opened$current
  facts$step_name <- order$step
  facts$task_id <- order$task
  facts$pathspec <- opened$pathspec
  facts$retry_count <- as.integer(order$attempt)
  facts$seed <- as.integer(order$seed)
  facts$tags <- unlist(facts$tags)
  facts$tempdir <- file.path(tempdir(), paste0("task-", order$task, "-", order$attempt))
  facts
}

# Code that sees the task as the worker's does; the session is itself again afterwards.
with_opened <- function(task, code) {
  before <- list(task = the$task, trace = the$trace)
  on.exit({
    the$task <- before$task
    the$trace <- before$trace
  })
  the$task <- task
  the$trace <- NULL
  code
}

#' @export
`$.metaflow_opened_self` <- function(x, name) with_opened(get("task", envir = x), self_get(name))

#' @export
`[[.metaflow_opened_self` <- function(x, i, ...) with_opened(get("task", envir = x), self_get(i))

#' @export
`$<-.metaflow_opened_self` <- function(x, name, value) opened_is_read_only(name)

#' @export
`[[<-.metaflow_opened_self` <- function(x, i, value) opened_is_read_only(i)

#' @export
names.metaflow_opened_self <- function(x) with_opened(get("task", envir = x), self_names())

#' @export
print.metaflow_opened_self <- function(x, ...) {
  known <- names(x)
  cat("<self of a failed task>\n", if (length(known)) paste0("  ", known, collapse = "\n") else "  (no artifacts)", "\n", sep = "")
  invisible(x)
}

opened_is_read_only <- function(name) {
  attribute_error(sprintf("'%s' cannot be assigned: the task is over", name), "$rerun() runs the step again in this session; mf_retry_task() in a run.")
}

frame_titles <- function(frames) {
  vapply(frames, function(frame) trimws(format_frame(frame[c("call", "file", "line")])), "")
}

print_opened <- function(x) {
  problem <- x$exception
  cat(headline("debug", x$pathspec), "\n", sep = "")
  if (!is.null(problem)) cat("  ", conditionMessage(problem), "\n", sep = "")
  cat("  attempt     ", x$attempt, ", seed ", x$seed, "\n", sep = "")
  known <- names(x$self)
  if (length(known)) cat("  self        ", paste(known, collapse = ", "), "\n", sep = "")
  if (x$inputs > 0L) cat("  inputs      ", x$inputs, "\n", sep = "")
  if (!length(x$frames)) cat("  frames      none were kept\n")
  for (i in seq_along(x$frames)) {
    cat(if (i == 1L) "  frames      " else "              ", sprintf("%d: %s", i, frame_titles(x$frames)[[i]]), "\n", sep = "")
    locals <- names(x$frames[[i]]$locals)
    if (length(locals)) cat("                 ", paste(locals, collapse = ", "), "\n", sep = "")
  }
}
