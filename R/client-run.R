#' A run and its results
#'
#' `run_client$new("HelloFlow/12")`, `run_client$new("HelloFlow", 12)`, `flow$run(12)` or `flow$latest_run`.
#'
#' Artifacts of a run are those of its end task.
#'
#' @section Facts:
#'
#' * `status`: `"running"`, `"completed"`, `"failed"`, `"interrupted"`, or `"lost"` when its process is gone, which
#'   is printed as `failed (lost)`
#' * `successful`: did it complete?
#' * `finished`: did it end, in whatever way?
#' * `created_at`: when it began
#' * `finished_at`: when it ended; `NA` while it runs
#' * `steps`: a named list of [step_client]s, in the order of the flow
#' * `end_task`: the finished task of the step `end`; `NULL` when there is none
#' * `artifacts`: names of the artifacts of the end task
#' * `data`: the artifacts of the end task: `run$data$x` loads one, `run$data` lists them
#' * `parameters`: the values of the run's parameters, a named list
#' * `tags`: all tags: the user's, then the system's
#' * `user_tags`: tags that were given to the run
#' * `system_tags`: tags that say what the run is; they never change
#' * `code`: the code that ran, see [run_code]
#' * `origin_run_id`: the run that it was resumed from; `NULL` when it was not
#' * `trigger`: what started it; `NULL` for a run that a person started
#' * `pathspec`, `id`: what names it, and the last part of that
#' * `parent`: the client of the flow
#'
#' @section Functions:
#'
#' * `step(id)`: one of its steps, a [step_client]
#' * `artifact(name)`: the value of an artifact of the end task
#' * `add_tag(...)`, `remove_tag(...)`, `replace_tag(old, new)`: change the tags that were given to it; tags of the
#'   system cannot be removed. They return the run, invisibly
#' * `loglines(streams = c("stdout", "stderr"))`: what its tasks printed, a data frame: `step`, `task`, `stream`, `line`
#' * `summary()`: how long its steps took, what they used and need, see [summary.metaflow_run_client()]
#' * `is_in_namespace()`: is it seen through the namespace of now, see [set_namespace()]?
#' @seealso [mf_client()]
#' @name run_client
#' @export run_client
#' @examples
#' \dontrun{
#' run <- run_client$new("HelloFlow/latest_run")
#' run                       # how it went
#' run$data$greeting         # an artifact
#' run$steps$start$a_task$stdout
#' run$add_tag("good")
#' summary(run)
#' }
NULL

run_client <- R6::R6Class("metaflow_run_client",
  inherit = metaflow_client,
  cloneable = FALSE,
  public = list(
    initialize = function(pathspec, id = NULL) private$place <- find_place("run", pathspec, id),
    step = function(id) step_client$new(self, id),
    artifact = function(name) artifact_value(private$place, name),
    add_tag = function(...) change_tags(self, add = list(...)),
    remove_tag = function(...) change_tags(self, remove = list(...)),
    replace_tag = function(old, new) change_tags(self, add = list(new), remove = list(old)),
    loglines = function(streams = c("stdout", "stderr")) place_loglines(private$place, streams),
    summary = function() run_summary(private$place)
  ),
  active = list(
    status = function() run_facts(private$place)$status,
    successful = function() run_facts(private$place)$successful,
    finished = function() run_facts(private$place)$finished,
    created_at = function() as_time(run_facts(private$place)$created_at),
    finished_at = function() as_time(run_facts(private$place)$finished_at),
    steps = function() run_steps(private$place),
    end_task = function() run_end_task(private$place),
    artifacts = function() artifact_names(private$place),
    data = function() new_data(private$place),
    parameters = function() run_parameters(private$place),
    tags = function() run_tags(private$place),
    user_tags = function() text_vector(run_facts(private$place)$tags),
    system_tags = function() text_vector(run_facts(private$place)$system_tags),
    code = function() new_code(private$place),
    origin_run_id = function() run_facts(private$place)$origin_run,
    trigger = function() NULL
  )
)

run_facts <- function(place) browse_at(place, "run")

text_vector <- function(x) as.character(unlist(x))

run_tags <- function(place) {
  facts <- run_facts(place)
  c(text_vector(facts$tags), text_vector(facts$system_tags))
}

run_steps <- function(place) clients_at(place, "step", vapply(browse_at(place, "steps"), function(row) row$pathspec, ""))

run_end_task <- function(place) {
  pathspec <- run_facts(place)$end_task
  if (is.null(pathspec)) NULL else as_client(child_place(place, "task", pathspec))
}

run_parameters <- function(place) {
  located <- browse_at(place, "parameters")
  values <- lapply(names(located), function(name) {
    read_located(located[[name]], sprintf("parameter '%s' of %s", name, place$pathspec))
  })
  stats::setNames(values, names(located))
}

change_tags <- function(run, add = list(), remove = list()) {
  browse_at(client_place(run), "change_tags", add = tag_texts(add), remove = tag_texts(remove))
  invisible(run)
}

tag_texts <- function(tags) {
  for (tag in tags) {
    if (!is.character(tag) || anyNA(tag)) {
      mf_abort(sprintf("%s cannot be a tag.", shown_value(tag)), "metaflow_usage_error", "A tag is a string.")
    }
  }
  I(text_vector(tags))
}

run_row <- function(place) {
  facts <- run_facts(place)
  list(
    status = facts$status, started = shown_time(facts$created_at),
    took = if (facts$finished || facts$status == "running") {
      seconds <- span_seconds(facts$created_at, facts$finished_at, facts$status == "running")
      if (!is.na(seconds)) format_seconds(seconds)
    },
    user = facts$user, tags = paste(text_vector(facts$tags), collapse = ", ")
  )
}

#' @export
print.metaflow_run_client <- function(x, ...) {
  place <- client_place(x)
  facts <- run_facts(place)
  print_facts(headline("run", place$pathspec, facts$status), list(
    started = shown_span(facts$created_at, facts$finished_at, facts$status == "running"),
    user = facts$user,
    tags = shown_names(text_vector(facts$tags)),
    origin = if (!is.null(facts$origin_run)) {
      paste0("resumed from run ", facts$origin_run, if (!is.null(facts$resume_step)) paste0(" at step ", facts$resume_step))
    },
    parameters = shown_names(vapply(names(facts$parameters), function(n) paste(n, "=", facts$parameters[[n]]$repr %||% "?"), "")),
    steps = paste(vapply(browse_at(place, "steps"), shown_step, ""), collapse = ", "),
    error = shown_run_error(facts),
    artifacts = if (!is.null(facts$end_task)) shown_names(artifact_names(place, own = TRUE))
  ))
  invisible(x)
}

# "fit (16 tasks, 1 failed)"; a step with one task that is done is only named.
shown_step <- function(row) {
  counts <- row$tasks
  bad <- counts[setdiff(names(counts), c("done", "cloned"))]
  said <- c(
    if (row$total != 1L) if (row$total == 0L) row$idle else count_of(row$total, "task"),
    if (length(bad)) if (row$total == 1L) names(bad) else paste(unlist(bad), names(bad))
  )
  if (length(said)) sprintf("%s (%s)", row$step, paste(said, collapse = ", ")) else row$step
}

shown_run_error <- function(facts) {
  error <- facts$error
  if (is.null(error)) return(NULL)
  c(if (!is.null(error$step)) sprintf("in %s/%s/%s", facts$pathspec, error$step, error$task), shown_error(error))
}
