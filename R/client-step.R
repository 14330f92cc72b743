#' A step of a run and its tasks
#'
#' `step_client$new("HelloFlow/12/start")`, `run$step("start")` or `run$steps$start`. A step has one
#' task, or one for each split of a foreach.
#'
#' @section Facts:
#'
#' * `status`: the status of its tasks, the worst first; `NA` when none has started
#' * `successful`: are all its tasks done?
#' * `finished`: is none of its tasks running, and has one run?
#' * `created_at`: when its first task began; `NA` before
#' * `finished_at`: when its last task ended; `NA` before
#' * `tasks`: a named list of [task_client]s
#' * `a_task`: one of its tasks, the first; `NULL` when none has started
#' * `environment`: where it ran: a list with the versions of R, of packages and of metaflow, and its decorators
#' * `tags`: tags of its run
#' * `pathspec`, `id`: what names it, and the last part of that
#' * `parent`: the client of the run
#'
#' @section Functions:
#'
#' * `task(id)`: one of its tasks, a [task_client]
#' * `loglines(streams = c("stdout", "stderr"))`: what its tasks printed, a data frame: `step`, `task`, `stream`, `line`
#' * `summary()`: its tasks as a data frame: `task`, `index`, `status`, `attempts`, `seconds`, `peak_memory_bytes`, `error`
#' * `is_in_namespace()`: is it seen through the namespace of now, see [set_namespace()]?
#' @seealso [mf_client()]
#' @name step_client
#' @export step_client
#' @examples
#' \dontrun{
#' step <- run$steps$fit_models
#' step$tasks
#' lapply(step$tasks, function(task) task$data$score)
#' }
NULL

step_client <- R6::R6Class("metaflow_step_client",
  inherit = metaflow_client,
  cloneable = FALSE,
  public = list(
    initialize = function(pathspec, id = NULL) private$place <- find_place("step", pathspec, id),
    task = function(id) task_client$new(self, id),
    loglines = function(streams = c("stdout", "stderr")) place_loglines(private$place, streams),
    summary = function() step_summary(private$place)
  ),
  active = list(
    status = function() step_facts(private$place)$status %||% NA_character_,
    successful = function() isTRUE(step_facts(private$place)$status %in% good_statuses),
    finished = function() step_finished(step_facts(private$place)),
    created_at = function() as_time(step_facts(private$place)$started_at),
    finished_at = function() as_time(step_facts(private$place)$finished_at),
    tasks = function() step_tasks(private$place),
    a_task = function() step_a_task(private$place),
    environment = function() step_environment(private$place),
    tags = function() run_tags(run_place(private$place))
  )
)

step_facts <- function(place) browse_at(place, "step")

# Of a step or a task that left what follows it needs.
good_statuses <- c("done", "cloned", "caught")

step_finished <- function(facts) !is.null(facts$status) && !facts$status %in% c("running", "retrying")

step_tasks <- function(place) {
  columns <- browse_at(place, "tasks")
  ids <- text_column(columns$task)
  clients_at(place, "task", paste(rep(place$pathspec, length(ids)), ids, sep = "/", recycle0 = TRUE))
}

step_a_task <- function(place) {
  ids <- browse_at(place, "tasks")$task
  if (length(ids)) as_client(child_place(place, "task", paste(place$pathspec, ids[[1]], sep = "/"))) else NULL
}

step_environment <- function(place) {
  facts <- step_facts(place)
  versions <- run_facts(run_place(place))$versions
  new_facts(list(
    language = facts$language, R = versions$R, metaflow = versions$metaflow, python = versions$python,
    packages = unlist(versions$packages),
    decorators = stats::setNames(field_of(facts$decorators, "args"), text_column(field_of(facts$decorators, "name")))
  ))
}

step_summary <- function(place) {
  columns <- browse_at(place, "tasks")
  status <- text_column(columns$status)
  new_table(
    task = text_column(columns$task),
    index = whole_column(columns$index),
    status = status,
    attempts = whole_column(columns$attempt) + 1L,
    seconds = seconds_column(columns$started_at, columns$finished_at, status == "running"),
    peak_memory_bytes = number_column(columns$max_rss_bytes),
    error = text_column(columns$message)
  )
}

step_row <- function(place) {
  facts <- step_facts(place)
  seconds <- span_seconds(facts$started_at, facts$finished_at, identical(facts$status, "running"))
  list(
    status = facts$status %||% facts$idle, tasks = shown_counts(facts),
    took = if (is.na(seconds)) NULL else format_seconds(seconds)
  )
}

shown_counts <- function(facts) {
  if (facts$total == 0L) return(NULL)
  if (length(facts$tasks) == 1L) return(paste(facts$total))
  sprintf("%d: %s", as.integer(facts$total), paste(unlist(facts$tasks), names(facts$tasks), collapse = ", "))
}

#' @export
summary.metaflow_step_client <- function(object, ...) object$summary()

#' @export
print.metaflow_step_client <- function(x, ...) {
  place <- client_place(x)
  facts <- step_facts(place)
  print_facts(headline("step", place$pathspec, facts$status %||% facts$idle), list(
    started = shown_span(facts$started_at, facts$finished_at, identical(facts$status, "running")),
    tasks = shown_counts(facts),
    foreach = if (!is.null(facts$foreach)) paste0("one task of ", paste(unlist(facts[["next"]]), collapse = ", "), " for each of self$", facts$foreach),
    "next" = paste(unlist(facts[["next"]]), collapse = ", "),
    decorators = paste(text_column(field_of(facts$decorators, "name")), collapse = ", ")
  ))
  invisible(x)
}
