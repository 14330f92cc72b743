# What all clients have in common. The methods of the R6 classes are a table of contents: they call plain
# functions which take the place of the client (client-view.R).

#' @importFrom R6 R6Class
NULL

metaflow_client <- R6::R6Class("metaflow_client",
  cloneable = FALSE,
  public = list(
    # Is it seen through the namespace of now, see [set_namespace()]?
    is_in_namespace = function() {
      view <- private$place$view
      view$namespace <- current_view()$namespace
      core_call("browse.is_visible", view = view, pathspec = private$place$pathspec)
    }
  ),
  active = list(
    # What names it: `"Flow/12/step/7"` or the first parts of that.
    pathspec = function() private$place$pathspec,
    # The last part of its pathspec.
    id = function() last_part(private$place$pathspec),
    # The client of what it is part of: the step of a task, the run of a step, the flow of a run.
    parent = function() as_client(parent_place(private$place))
  ),
  private = list(place = NULL)
)

client_place <- function(client) .subset2(client, ".__enclos_env__")$private$place

# The client of a place that is known to exist.
as_client <- function(place) {
  if (is.null(place)) return(NULL)
  switch(place$level,
    flow = flow_client$new(place), run = run_client$new(place), step = step_client$new(place), task = task_client$new(place)
  )
}

client_members <- function(client) setdiff(ls(client), c("initialize", "clone"))

# A mistyped name is an error: NULL would be taken for an answer.
client_member <- function(x, name) {
  if (!is.character(name) || length(name) != 1L) {
    mf_abort("A client has no elements to count.", "metaflow_usage_error", "Use the names of its members; TAB lists them.")
  }
  if (exists(name, envir = x, inherits = FALSE)) return(.subset2(x, name))
  known <- client_members(x)
  what <- sub("^metaflow_", "", class(x)[[1]])
  what <- if (inherits(x, code_class)) "The code of a run" else if (what == "datastore_client") "mf_client()" else paste("A", what)
  mf_abort(sprintf("%s has no '%s'.", what, name), "metaflow_attribute_error", missing_hint(name, known))
}

read_only <- function(x, name) {
  mf_abort(sprintf("'%s' of a client cannot be assigned: clients only read.", name), "metaflow_attribute_error",
    if (inherits(x, "metaflow_run_client")) "Tags are changed by add_tag(), remove_tag() and replace_tag().")
}

#' @export
`$.metaflow_client` <- function(x, name) client_member(x, name)

#' @export
`[[.metaflow_client` <- function(x, i, ...) client_member(x, i)

#' @export
`$<-.metaflow_client` <- function(x, name, value) read_only(x, name)

#' @export
`[[<-.metaflow_client` <- function(x, i, value) read_only(x, i)

#' @rawNamespace S3method(.DollarNames, metaflow_client)
.DollarNames.metaflow_client <- function(x, pattern = "") grep(pattern, client_members(x), value = TRUE)

#' @export
as.character.metaflow_client <- function(x, ...) client_place(x)$pathspec

#' @export
format.metaflow_client <- function(x, ...) client_place(x)$pathspec
