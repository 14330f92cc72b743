#' Begin a project
#'
#' Makes a folder with a flow that runs: a script to change, a README, and files that keep results out of git.
#'
#' @param name Name of the project, as `"churn-model"`: letters, digits, `-` and `_`. It names the folder; the flow in it is
#'   called `ChurnModelFlow`.
#' @param path Folder to make it in.
#' @param open `TRUE` opens the script in RStudio or Positron. Default: in a session with one.
#' @return Invisibly the folder.
#' @seealso [pull_tutorials()]
#' @export
#' @examples
#' \dontrun{
#' mf_use_flow("churn-model")
#' # then, in a terminal: cd churn-model; Rscript flow.R run
#' }
mf_use_flow <- function(name, path = getwd(), open = interactive()) {
  if (missing(name) || !is_string(name) || !grepl("^[A-Za-z][A-Za-z0-9_-]*$", name)) {
    mf_abort(if (missing(name)) "mf_use_flow() needs a name." else sprintf("%s is not a name for a project.", shown_value(name)), "metaflow_usage_error",
      "Use letters, digits, - and _, as mf_use_flow(\"churn-model\").")
  }
  folder <- file.path(normalizePath(path, mustWork = FALSE), name)
  if (file.exists(folder)) {
    mf_abort(sprintf("%s exists already.", folder), "metaflow_usage_error", "Choose another name or path; nothing is overwritten.")
  }
  # Made beside its place and then renamed: a folder that is there is whole.
  making <- tempfile(paste0(".", name, "-"), tmpdir = dirname(folder))
  if (!dir.create(making, recursive = TRUE, showWarnings = FALSE)) {
    mf_abort(sprintf("%s cannot be made.", folder), "metaflow_setup_error", "Is its parent a folder that you may write to?")
  }
  on.exit(unlink(making, recursive = TRUE))
  words <- c("{{name}}" = name, "{{flow}}" = project_flow(name), "{{package}}" = package_version_text())
  for (file in names(project_files)) fill_template(project_files[[file]], file.path(making, sub("{{name}}", name, file, fixed = TRUE)), words)
  if (!file.rename(making, folder)) mf_abort(sprintf("%s cannot be made.", folder), "metaflow_setup_error", "Did it appear meanwhile?")
  message("Made ", folder, "\nNow, in a terminal:\n  cd ", shQuote(folder), "\n  Rscript flow.R run")
  if (isTRUE(open)) open_file(file.path(folder, "flow.R"))
  invisible(folder)
}

# "churn-model" makes ChurnModelFlow.
project_flow <- function(name) {
  parts <- strsplit(name, "[-_]+")[[1]]
  joined <- paste0(toupper(substr(parts, 1, 1)), substring(parts, 2), collapse = "")
  if (grepl("Flow$", joined)) joined else paste0(joined, "Flow")
}

# In the project, and in inst/templates/flow: what begins with a dot is not kept in a built package.
project_files <- c(
  "flow.R" = "flow.R", "README.md" = "README.md", ".gitignore" = "gitignore", ".metaflowignore" = "metaflowignore",
  "{{name}}.Rproj" = "project"
)

fill_template <- function(template, to, words) {
  text <- readLines(system.file("templates", "flow", template, package = "metaflow", mustWork = TRUE), encoding = "UTF-8")
  for (mark in names(words)) text <- gsub(mark, words[[mark]], text, fixed = TRUE)
  writeLines(enc2utf8(text), to, useBytes = TRUE)
}

open_file <- function(path) {
  api <- "rstudioapi"
  if (requireNamespace(api, quietly = TRUE) && getExportedValue(api, "isAvailable")()) getExportedValue(api, "navigateToFile")(path)
}
