# Gives functions their place in the script file.
#
# R parses a script expression by expression, so the source references that `keep.source` makes under
# `Rscript` count lines from the start of the expression and name no file. The script is parsed once
# more, as a file, and each captured function gets the references of its twin there.

# All `function(...)` expressions of a file, as closures with the right references.
source_index <- function(script) {
  if (is.null(script) || !file.exists(script)) return(NULL)
  parsed <- tryCatch(parse(script, keep.source = TRUE), error = function(e) NULL)
  if (is.null(parsed)) return(NULL)
  found <- list()
  visit <- function(expr) {
    if (!is.call(expr)) return()
    if (identical(expr[[1]], quote(`function`))) {
      twin <- tryCatch(eval(expr, baseenv()), error = function(e) NULL)
      if (!is.null(twin)) found[[length(found) + 1L]] <<- twin
    }
    for (part in as.list(expr)) if (!missing(part)) visit(part)
  }
  for (expr in as.list(parsed)) visit(expr)
  list(twins = found, keys = vapply(found, source_key, ""))
}

source_key <- function(f) {
  paste(deparse(args(f)), deparse(body(utils::removeSource(f))), collapse = "\n", sep = "")
}

place_in_source <- function(f, index) {
  if (is.null(index) || is.primitive(f) || isS4(f) || has_file_source(f)) return(f)
  i <- match(source_key(f), index$keys)
  if (is.na(i)) return(f)
  placed <- index$twins[[i]]
  environment(placed) <- environment(f)
  extra <- attributes(f)[setdiff(names(attributes(f)), "srcref")]
  for (name in names(extra)) attr(placed, name) <- extra[[name]]
  placed
}

has_file_source <- function(f) {
  file <- attr(attr(f, "srcref"), "srcfile")$filename
  !is.null(file) && nzchar(file) && file.exists(file)
}

# The script that `Rscript` runs, or NULL in a session.
script_file <- function(arguments = commandArgs(FALSE)) {
  file <- sub("^--file=", "", grep("^--file=", arguments, value = TRUE))
  if (length(file) != 1L || !file.exists(file)) return(NULL)
  normalizePath(file)
}
