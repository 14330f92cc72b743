#' Copy the tutorials
#'
#' @param path Folder to copy them to; `metaflow-tutorials` in it is made and must not exist.
#' @return Invisibly the folder with the tutorials.
#' @export
#' @examples
#' \dontrun{
#' pull_tutorials()
#' }
pull_tutorials <- function(path = getwd()) {
  target <- file.path(path, "metaflow-tutorials")
  if (file.exists(target)) {
    mf_abort(sprintf("%s exists already.", target), "metaflow_usage_error", "Remove it, or choose another path.")
  }
  dir.create(target, recursive = TRUE)
  sources <- list.files(system.file("tutorials", package = "metaflow", mustWork = TRUE), full.names = TRUE)
  if (!all(file.copy(sources, target, recursive = TRUE))) {
    mf_abort(sprintf("The tutorials could not be copied to %s.", target), "metaflow_setup_error", "Is the folder writable?")
  }
  message("Tutorials are in ", target)
  invisible(target)
}

#' Try out the installation
#'
#' Runs a small flow in a temporary folder and reads its result back.
#'
#' @return `TRUE`, invisibly; an error when something does not work.
#' @export
#' @examples
#' \dontrun{
#' test()
#' }
test <- function() {
  root <- tempfile("metaflow-test-")
  on.exit(unlink(root, recursive = TRUE))
  flow <- metaflow("InstallationTest") %>%
    step(step = "start", r_function = function(self) self$x <- 1:3, foreach = "x", next_step = "square") %>%
    step(step = "square", r_function = function(self) self$y <- self$input^2, next_step = "join") %>%
    step(step = "join", r_function = function(self, inputs) self$sum <- sum(unlist(gather_inputs(inputs, "y"))), join = TRUE, next_step = "end") %>%
    step(step = "end")
  result <- perform_run(flow, list(datastore_root = root))
  if (result != 0L) raise_run_error(result)
  previous <- the$metadata
  on.exit(the$metadata <- previous, add = TRUE)
  the$metadata <- root
  stopifnot(identical(result$run$artifact("sum"), 14))
  message("metaflow works.")
  invisible(TRUE)
}
