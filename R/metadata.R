#' Which datastore is looked at
#'
#' Runs and what they made are in a datastore, by default the folder `.metaflow` beside you or above. These
#' functions look at another one, for this session; `run()` writes there too. Clients that were
#' made before are not affected.
#'
#' @param ms A folder: a datastore, or one with a `.metaflow` in it. Also `"local@"` and a folder. `NULL` goes back to the default.
#' @return The datastore that is now in force, as `"local@/path"`. Those that change it return it invisibly.
#' @export
#' @examples
#' \dontrun{
#' get_metadata()
#' set_metadata("/data/team/.metaflow")
#' reset_default_metadata()
#' }
get_metadata <- function() describe_metadata(current_view())

#' @rdname get_metadata
#' @export
set_metadata <- function(ms = NULL) {
  the$metadata <- if (is.null(ms)) NULL else datastore_folder(ms)
  invisible(get_metadata())
}

#' @rdname get_metadata
#' @export
reset_default_metadata <- function() set_metadata(NULL)

describe_metadata <- function(view) paste0(view$metadata, "@", view$datastore_root)

datastore_folder <- function(ms) {
  if (!is.character(ms) || length(ms) != 1L || is.na(ms) || !nzchar(ms)) {
    mf_abort(sprintf("%s does not name a datastore.", shown_value(ms)), "metaflow_usage_error",
      "Use a folder such as \"/data/.metaflow\", or NULL for the default.")
  }
  kind <- if (grepl("^[a-z]+@", ms)) sub("@.*$", "", ms) else "local"
  if (kind != "local" || grepl("^https?://", ms)) {
    mf_abort(sprintf("'%s' is not a datastore that can be looked at here.", ms), "metaflow_usage_error",
      "Use a folder, as \"local@/data/.metaflow\".")
  }
  folder <- path.expand(sub("^local@", "", ms))
  if (!dir.exists(folder)) {
    mf_abort(sprintf("The folder '%s' does not exist.", folder), "metaflow_not_found_error",
      "To begin a new datastore, make the folder first.")
  }
  below <- file.path(folder, ".metaflow")
  normalizePath(if (dir.exists(below) && !dir.exists(file.path(folder, "flows"))) below else folder)
}
