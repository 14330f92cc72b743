# Arguments of decorators on a command line: "slurm:time=60,constraint=avx2", "kubernetes:labels={\"team\":\"ml\"}".

# The pieces of a text between commas; those inside of brackets, and of quotes in brackets, belong to a value.
split_outside_brackets <- function(text) {
  depth <- 0L
  quoted <- FALSE
  cuts <- integer()
  characters <- strsplit(text, "", fixed = TRUE)[[1]]
  for (i in seq_along(characters)) {
    this <- characters[[i]]
    escaped <- i > 1L && characters[[i - 1L]] == "\\"
    if (depth > 0L && this == "\"" && !escaped) quoted <- !quoted
    if (quoted) next
    if (this %in% c("{", "[")) depth <- depth + 1L
    if (this %in% c("}", "]")) depth <- max(0L, depth - 1L)
    if (this == "," && depth == 0L) cuts <- c(cuts, i)
  }
  substring(text, c(1L, cuts + 1L), c(cuts - 1L, nchar(text)))
}

# What begins with a bracket is JSON, anything else what R reads in it: a number, TRUE, a text.
option_value <- function(text, what) {
  if (!grepl("^\\s*[[{]", text)) return(utils::type.convert(text, as.is = TRUE))
  tryCatch(parse_json(text), error = function(e) {
    mf_abort(sprintf("%s is no JSON: %s", what, text), "metaflow_usage_error",
      "Write a named list as {\"name\":\"value\"}, several values as [\"a\",\"b\"], in single quotes for the shell.")
  })
}
