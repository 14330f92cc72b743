# Gives functions their place in the script file.
#
# R parses a script expression by expression, so the source references that `keep.source` makes under
# `Rscript` count lines from the start of the expression and name no file. The script is parsed once
# more, as a file, and each captured function gets the references of its twin there.

# All `function(...)` expressions of a file, as closures with the right references, and the lines where
# the expressions of the file that hold them begin.
source_index <- function(script) {
  if (is.null(script) || !file.exists(script)) return(NULL)
  parsed <- tryCatch(parse(script, keep.source = TRUE), error = function(e) NULL)
  if (is.null(parsed)) return(NULL)
  found <- list()
  starts <- integer()
  visit <- function(expr, start) {
    if (!is.call(expr)) return()
    if (identical(expr[[1]], quote(`function`))) {
      twin <- tryCatch(eval(expr, baseenv()), error = function(e) NULL)
      if (!is.null(twin)) {
        found[[length(found) + 1L]] <<- twin
        starts[[length(found)]] <<- start
      }
    }
    for (part in as.list(expr)) if (!missing(part)) visit(part, start)
  }
  for (i in seq_along(parsed)) visit(parsed[[i]], first_line(attr(parsed, "srcref")[[i]]))
  list(twins = found, keys = vapply(found, source_key, ""), starts = starts, lines = readLines(script, warn = FALSE))
}

first_line <- function(srcref) as.integer(srcref)[[1]]

# A function, or those in a plain list: a table of functions is code, too.
place_functions <- function(x, index) {
  if (is.function(x)) return(place_in_source(x, index))
  if (!is.list(x) || is.object(x)) return(x)
  for (i in seq_along(x)) if (is.function(x[[i]])) x[[i]] <- place_in_source(x[[i]], index)
  x
}

source_key <- function(f) {
  paste(deparse(args(f)), deparse(body(utils::removeSource(f))), collapse = "\n", sep = "")
}

place_in_source <- function(f, index) {
  if (is.null(index) || is.primitive(f) || isS4(f) || has_file_source(f)) return(f)
  twins <- which(index$keys == source_key(f))
  if (!length(twins)) return(f)
  placed <- index$twins[[choose_twin(f, twins, index)]]
  environment(placed) <- environment(f)
  extra <- attributes(f)[setdiff(names(attributes(f)), "srcref")]
  for (name in names(extra)) attr(placed, name) <- extra[[name]]
  placed
}

# Several functions of a script may have the same text. What R kept of `f` tells them apart: its line within
# its expression, and the text of that expression.
choose_twin <- function(f, twins, index) {
  kept <- attr(f, "srcref")
  if (length(twins) == 1L || is.null(kept)) return(twins[[1]])
  opening <- sub("\n.*$", "", c(attr(kept, "srcfile")$lines, "")[[1]])
  fits <- vapply(twins, function(i) {
    start <- index$starts[[i]]
    first_line(attr(index$twins[[i]], "srcref")) - start + 1L == first_line(kept) &&
      grepl(opening, index$lines[[start]], fixed = TRUE)
  }, FALSE)
  c(twins[fits], twins)[[1]]
}

has_file_source <- function(f) {
  file <- attr(attr(f, "srcref"), "srcfile")$filename
  !is.null(file) && nzchar(file) && file.exists(file)
}

# The script that `Rscript` runs, or NULL in a session.
script_file <- function(arguments = commandArgs(FALSE)) {
  # Rscript hands spaces over as "~+~".
  file <- gsub("~+~", " ", sub("^--file=", "", grep("^--file=", arguments, value = TRUE)), fixed = TRUE)
  if (length(file) != 1L || !file.exists(file)) return(NULL)
  normalizePath(file)
}
