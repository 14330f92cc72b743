#' metaflow: machine learning workflows for R, from laptop to production
#'
#' Write a flow as a pipe of steps, run it, resume it after a failure, and look
#' at everything it ever produced. Start with [metaflow()], [step()] and
#' [run()]; browse results with [mf_client()].
#'
#' @name metaflow-package
#' @keywords internal
#' @importFrom magrittr %>%
NULL

# All mutable state of the package, in one visible place.
#   task       what the step that runs in this process sees (NULL outside a task)
#   trace      what the task that runs in this process has looked at (NULL outside a task)
#   loaded_notes  the same of a worker that loaded code for tasks of memoised steps (NULL elsewhere)
#   wire       the connection of a worker to its engine (NULL elsewhere)
#   core       the imported Python module `metaflow_core.bridge` (NULL until first use)
#   strings_only  does this process use Python for nothing but the core?
#   namespace  the namespace set by `set_namespace()` (`list()` = the default)
#   user_decorators   what step_decorator() defined, by name
#   metadata   datastore root chosen by `set_metadata()`
the <- new.env(parent = emptyenv())
the$task <- NULL
the$trace <- NULL
the$loaded_notes <- NULL
the$wire <- NULL
the$stdin <- NULL
the$core <- NULL
the$strings_only <- FALSE
the$namespace <- list()
the$metadata <- NULL
the$user_decorators <- list()

.onAttach <- function(libname, pkgname) {
  # `Rscript` keeps no sources, so errors could not say where they happened. The option acts on
  # the expressions that are parsed after `library(metaflow)`; `capture-source.R` makes their
  # positions those of the file.
  if (!interactive()) options(keep.source = TRUE)
  # `step()` hides stats::step(), which is what the user wants here; library() need not say so.
  assign(".conflicts.OK", TRUE, envir = as.environment("package:metaflow"))
}
