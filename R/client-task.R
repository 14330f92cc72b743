#' A task: one step function that ran once
#'
#' `task_client$new("HelloFlow/12/start/1")`, `step$task(1)`, `step$a_task` or `step$tasks[["1"]]`.
#'
#' A task that was tried several times, see [retry()], shows its last finished attempt.
#'
#' @section Facts:
#'
#' * `status`: `"running"`, `"done"`, `"failed"`, `"caught"` (it failed, and [catch()] caught that), `"cloned"`
#'   (taken over from the run that was resumed), `"retrying"`, `"interrupted"` or `"lost"`
#' * `successful`: did it end well?
#' * `finished`: did it end, in whatever way?
#' * `created_at`: when it began
#' * `finished_at`: when it ended; `NA` while it runs
#' * `index`: its place in the innermost foreach, from 0; `NULL` outside of one
#' * `artifacts`: names of its artifacts, parameters included
#' * `data`: its artifacts: `task$data$x` loads one, `task$data` lists them
#' * `stdout`: what it printed on stdout: one string that prints as it was
#' * `stderr`: what it printed on stderr, messages and warnings included
#' * `exception`: why it failed, see [task_exception]; `NULL` when it did not
#' * `attempts`: a data frame with one row for each time it was tried
#' * `parent_tasks`: the tasks that it came from, a named list of task clients
#' * `child_tasks`: the finished tasks that came from it
#' * `metadata_dict`: facts about it: a named list
#' * `tags`: tags of its run
#' * `code`: the code of its run, see [run_code]
#' * `pathspec`, `id`: what names it, and the last part of that
#' * `parent`: the client of the step
#'
#' @section Functions:
#'
#' * `artifact(name, attempt = NULL)`: the value of an artifact; an `attempt` (from 0) that failed keeps what it had
#'   assigned until then
#' * `loglines(streams = c("stdout", "stderr"), attempt = NULL)`: what it printed, a data frame: `stream`, `line`
#' * `summary()`: its artifacts as a data frame: `artifact`, `class`, `size`, `bytes`
#' * `is_in_namespace()`: is it seen through the namespace of now, see [set_namespace()]?
#' @seealso [mf_client()]
#' @name task_client
#' @export task_client
#' @examples
#' \dontrun{
#' task <- run_client$new("HelloFlow/12")$steps$start$a_task
#' task$data                 # its artifacts
#' task$stderr
#' task$exception            # why it failed, with the calls
#' task$loglines("stderr")
#' }
NULL

task_client <- R6::R6Class("metaflow_task_client",
  inherit = metaflow_client,
  cloneable = FALSE,
  public = list(
    initialize = function(pathspec, id = NULL) private$place <- find_place("task", pathspec, id),
    artifact = function(name, attempt = NULL) artifact_value(private$place, name, attempt),
    loglines = function(streams = c("stdout", "stderr"), attempt = NULL) task_loglines(private$place, streams, attempt),
    summary = function() artifact_table(private$place)
  ),
  active = list(
    status = function() task_facts_of(private$place)$status,
    successful = function() isTRUE(task_facts_of(private$place)$ok),
    finished = function() isTRUE(task_facts_of(private$place)$finished),
    created_at = function() task_created_at(task_facts_of(private$place)),
    finished_at = function() as_time(task_facts_of(private$place)$finished_at),
    index = function() task_facts_of(private$place)$index,
    artifacts = function() artifact_names(private$place),
    data = function() new_data(private$place),
    stdout = function() task_log(private$place, "stdout"),
    stderr = function() task_log(private$place, "stderr"),
    exception = function() task_exception(private$place),
    attempts = function() task_attempts(private$place),
    parent_tasks = function() task_relatives(private$place, "parents"),
    child_tasks = function() task_relatives(private$place, "children"),
    metadata_dict = function() task_metadata(private$place),
    tags = function() run_tags(run_place(private$place)),
    code = function() new_code(run_place(private$place))
  )
)

task_facts_of <- function(place) browse_at(place, "task")

task_created_at <- function(facts) as_time(facts$created_at %||% facts$started_at)

task_relatives <- function(place, which) clients_at(place, "task", text_vector(browse_at(place, which)), parts = 2L)

task_attempts <- function(place) {
  rows <- browse_at(place, "attempts")
  started <- field_of(rows, "started_at")
  finished <- field_of(rows, "finished_at")
  new_table(
    attempt = whole_column(field_of(rows, "attempt")),
    status = text_column(field_of(rows, "status")),
    started_at = time_column(started),
    finished_at = time_column(finished),
    seconds = seconds_column(started, finished),
    cause = text_column(field_of(rows, "cause")),
    error = text_column(field_of(rows, "message"))
  )
}

task_metadata <- function(place) {
  facts <- task_facts_of(place)
  run <- run_facts(run_place(place))
  usage <- facts$usage
  new_facts(list(
    attempt = facts$attempt, position = facts$position, status = facts$status,
    started_at = if (!is.null(facts$started_at)) as_time(facts$started_at),
    finished_at = if (!is.null(facts$finished_at)) as_time(facts$finished_at),
    wall_seconds = usage$wall, user_seconds = usage$user, system_seconds = usage$system,
    peak_memory_bytes = usage$max_rss_bytes, read_bytes = usage$read_bytes, written_bytes = usage$written_bytes, seed = facts$seed, pid = facts$pid, host = facts$host %||% run$host,
    exit = facts$exit, origin = facts$origin, r_version = run$versions$R, metaflow_version = run$versions$metaflow,
    user = run$user, script = run$script
  ))
}

task_row <- function(place) {
  facts <- task_facts_of(place)
  seconds <- span_seconds(facts$started_at, facts$finished_at, identical(facts$status, "running"))
  split <- if (length(facts$stack)) facts$stack[[length(facts$stack)]]
  list(
    index = facts$index, value = split$label, status = facts$status,
    took = if (is.na(seconds)) NULL else format_seconds(seconds),
    error = if (is.null(facts$error)) NULL else shown_error(facts$error)[[1]]
  )
}

#' @export
summary.metaflow_task_client <- function(object, ...) object$summary()

#' @export
print.metaflow_task_client <- function(x, ...) {
  place <- client_place(x)
  facts <- task_facts_of(place)
  tried <- length(facts$attempts)
  logs <- unlist(facts$logs)
  logs <- logs[logs > 0]
  print_facts(headline("task", place$pathspec, facts$status), list(
    started = shown_span(facts$started_at, facts$finished_at, identical(facts$status, "running")),
    foreach = shown_stack(facts$stack),
    attempts = if (tried > 1L) paste(tried),
    origin = if (!is.null(facts$origin)) paste("taken over from", facts$origin),
    error = if (!is.null(facts$error)) shown_error(facts$error),
    artifacts = shown_names(text_vector(facts$artifact_names)),
    logs = paste(names(logs), vapply(logs, format_bytes, ""), collapse = ", ", recycle0 = TRUE)
  ))
  invisible(x)
}

# "grid 3 of 16: 0.01", outermost split first; places are counted from 1 here, as people count.
shown_stack <- function(stack) {
  vapply(stack, function(frame) {
    text <- sprintf("%s, %d of %d", frame$var, as.integer(frame$index) + 1L, as.integer(frame$count))
    if (is.null(frame$label)) text else paste0(text, ": ", frame$label)
  }, "")
}
