#' The code of a run
#'
#' `run$code` is the code as it was when the run began: the snapshot of the flow's folder, or, when the run
#' was made without one, the functions and objects that were captured with its steps.
#'
#' * `run$code` lists the files; `$list()` gives the list as a data frame: `file`, `bytes`
#' * `$files()`: their names
#' * `$show(file)` prints one; returns its lines, invisibly
#' * `$diff(other)`: what is different in the code of another run (`"HelloFlow/13"`, its client, or its `$code`), by function
#'   and by file, as unified diffs
#' * `$extract(dir)` writes all of them below a folder, which may not contain them yet; returns the paths, invisibly
#'
#' @name run_code
#' @seealso [run_client], [mf_diff()]
#' @examples
#' \dontrun{
#' code <- run_client$new("HelloFlow/12")$code
#' code
#' code$show("flow.R")
#' code$diff("HelloFlow/13")
#' code$extract("hello-12")
#' }
NULL

new_code <- function(place) {
  if (is.null(run_facts(place)$package)) captured_code$new(place) else packaged_code$new(place)
}

# Two places where code can be, with the same members.
packaged_code <- R6::R6Class("metaflow_packaged_code",
  inherit = NULL,
  cloneable = FALSE,
  public = list(
    initialize = function(place) private$place <- place,
    list = function() code_table(self),
    files = function() code_table(self)$file,
    diff = function(other) diff_of_code(private$place, other),
    show = function(file) show_code(self, file),
    extract = function(dir) code_extracted(dir, browse_at(private$place, "code_extract", folder = code_folder(dir)))
  ),
  private = list(
    place = NULL,
    what = "snapshot of the flow's folder",
    rows = function() {
      rows <- browse_at(private$place, "code_files")
      data.frame(file = text_column(field_of(rows, "name")), bytes = number_column(field_of(rows, "size_bytes")))
    },
    lines = function(file) {
      found <- browse_at(private$place, "code_file", name = file)
      if (is.null(found$text)) NULL else strsplit(found$text, "\r?\n")[[1]]
    }
  )
)

captured_code <- R6::R6Class("metaflow_captured_code",
  cloneable = FALSE,
  public = list(
    initialize = function(place) private$place <- place,
    list = function() code_table(self),
    files = function() code_table(self)$file,
    diff = function(other) diff_of_code(private$place, other),
    show = function(file) show_code(self, file),
    extract = function(dir) code_extracted(dir, write_captured(private$all(), code_folder(dir)))
  ),
  private = list(
    place = NULL,
    what = "functions and objects captured with the steps",
    all = function() captured_files(read_located(c(browse_at(private$place, "captured_code"), offset = 0, encoding = r_encoding),
      sprintf("code of %s", private$place$pathspec))),
    rows = function() {
      files <- private$all()
      data.frame(file = names(files), bytes = vapply(files, captured_bytes, 0), row.names = NULL)
    },
    lines = function(file) {
      files <- private$all()
      if (is.null(files[[file]])) {
        mf_abort(sprintf("The captured code has no file '%s'.", file), "metaflow_not_found_error", missing_hint(file, names(files)))
      }
      captured_lines(files[[file]])
    }
  )
)

code_private <- function(code) .subset2(code, ".__enclos_env__")$private

code_table <- function(code) code_private(code)$rows()

show_code <- function(code, file) {
  lines <- code_private(code)$lines(file)
  if (is.null(lines)) {
    mf_abort(sprintf("'%s' is not a text file.", file), "metaflow_usage_error", "Write it to a folder with $extract(dir).")
  }
  cat(lines, sep = "\n")
  invisible(lines)
}

code_folder <- function(dir) {
  if (!is.character(dir) || length(dir) != 1L || is.na(dir) || !nzchar(dir)) {
    mf_abort(sprintf("%s is not a folder.", shown_value(dir)), "metaflow_usage_error", "Name a folder that is new or empty.")
  }
  normalizePath(dir, mustWork = FALSE)
}

code_extracted <- function(dir, paths) {
  paths <- text_vector(paths)
  cat(count_of(length(paths), "file"), " written to ", dir, "\n", sep = "")
  invisible(paths)
}

# The parts of a capture (capture.R) as named files: functions are text, other objects are values.
captured_files <- function(captured) {
  globals <- captured$globals[!is_class_table(names(captured$globals))]
  named <- function(folder, objects) {
    suffix <- ifelse(vapply(objects, is.function, FALSE), ".R", ".rds")
    stats::setNames(objects, paste0(folder, "/", names(objects), suffix, recycle0 = TRUE))
  }
  files <- c(named("steps", captured$functions), named("globals", globals))
  Map(function(x, file) list(name = sub("[.][A-Za-z]+$", "", basename(file)), value = x), files, names(files))
}

captured_lines <- function(entry) {
  if (!is.function(entry$value)) return(utils::capture.output(utils::str(entry$value)))
  text <- function_text(entry$value)
  name <- if (make.names(entry$name) == entry$name) entry$name else paste0("`", entry$name, "`")
  c(paste(name, "<-", text[[1]]), text[-1])
}

function_text <- function(f) {
  source <- attr(f, "srcref")
  if (is.null(source)) deparse(f) else as.character(source, useSource = TRUE)
}

captured_bytes <- function(entry) {
  if (is.function(entry$value)) sum(nchar(captured_lines(entry), "bytes") + 1) else as.numeric(utils::object.size(entry$value))
}

write_captured <- function(files, dir) {
  paths <- file.path(dir, names(files))
  there <- file.exists(paths)
  if (any(there)) {
    mf_abort(sprintf("%s exists already.", paths[there][[1]]), "metaflow_store_error", "Extract into a new or an empty folder.")
  }
  for (i in seq_along(files)) {
    dir.create(dirname(paths[[i]]), showWarnings = FALSE, recursive = TRUE)
    if (is.function(files[[i]]$value)) writeLines(captured_lines(files[[i]]), paths[[i]], useBytes = TRUE) else saveRDS(files[[i]]$value, paths[[i]])
  }
  paths
}

code_class <- c("metaflow_packaged_code", "metaflow_captured_code")

print_code <- function(x) {
  table <- code_table(x)
  place <- code_private(x)$place
  cat(headline("code", place$pathspec), cli::col_grey(paste0(" (", code_private(x)$what, ")")), "\n", sep = "")
  if (nrow(table)) print_table(list(file = table$file, size = vapply(table$bytes, format_bytes, "")))
  invisible(x)
}

#' @export
print.metaflow_packaged_code <- function(x, ...) print_code(x)

#' @export
print.metaflow_captured_code <- function(x, ...) print_code(x)

#' @export
`$.metaflow_packaged_code` <- function(x, name) client_member(x, name)

#' @export
`$.metaflow_captured_code` <- function(x, name) client_member(x, name)

#' @rawNamespace S3method(.DollarNames, metaflow_packaged_code)
.DollarNames.metaflow_packaged_code <- function(x, pattern = "") grep(pattern, client_members(x), value = TRUE)

#' @rawNamespace S3method(.DollarNames, metaflow_captured_code)
.DollarNames.metaflow_captured_code <- .DollarNames.metaflow_packaged_code
