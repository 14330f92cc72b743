#' Rebuild the index of the datastore
#'
#' The datastore holds everything; the index beside it, `index.db`, only makes runs quick to find. It mends itself
#' when it was deleted or fell behind. `reindex()` makes it equal to the datastore at once, and says
#' which records cannot be read.
#'
#' @return Invisibly, a list: how many `flows`, `runs` and `tasks` there are, and `problems`, one text for each record
#'   that cannot be read, which are also warnings.
#' @export
#' @examples
#' \dontrun{
#' reindex()
#' }
reindex <- function() {
  view <- current_view()
  found <- core_call("browse.reindex", view = view)
  cat("Index of ", view$datastore_root, ": ", count_of(found$flows, "flow"), ", ", count_of(found$runs, "run"), ", ",
    count_of(found$tasks, "task"), ".\n", sep = "")
  found$problems <- text_vector(found$problems)
  for (problem in found$problems) warning(problem, call. = FALSE)
  invisible(found)
}
