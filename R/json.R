# A small JSON writer for the messages between processes.
#
# `jsonlite::toJSON()` needs 0.7 ms for a small list, which is a fifth of a whole task. This one
# writes what our messages hold: scalars unboxed, unnamed lists as arrays, named lists as objects.
# `I(x)` keeps a vector of length one an array. Numbers keep 17 digits. NA and NULL become null.
#
# A forked child pays for each object that it makes and each page that it writes to, so short texts are looked through
# without a regular expression, which takes memory all over the place.

json <- function(x) {
  if (is.null(x)) return("null")
  if (!is.object(x) && !is.list(x) && length(x) == 1L) return(json_atoms(x))
  if (inherits(x, "metaflow_json")) return(unclass(x))
  if (is.list(x)) {
    if (!length(x)) return(if (is.null(names(x))) "[]" else "{}")
    items <- vapply(x, json, "")
    keys <- names(x)
    if (is.null(keys)) return(paste0("[", paste(items, collapse = ","), "]"))
    return(paste0("{", paste0(json_string(keys), ":", items, collapse = ","), "}"))
  }
  items <- json_atoms(x)
  if (length(x) == 1L && !inherits(x, "AsIs")) items else paste0("[", paste(items, collapse = ","), "]")
}

# I() for a vector without attributes, in one step.
json_array <- function(x) {
  class(x) <- "AsIs"
  x
}

# Text that is JSON already.
as_json <- function(text) structure(text, class = "metaflow_json")

json_atoms <- function(x) {
  # Stored as numbers, but nobody means the numbers.
  if (is.object(x) && inherits(x, c("factor", "Date", "POSIXt"))) x <- as.character(x)
  if (is.character(x)) return(json_string(x))
  if (is.logical(x)) return(null_where(is.na(x), c("false", "true")[x + 1L]))
  if (is.integer(x)) return(null_where(is.na(x), as.character(x)))
  if (is.double(x)) {
    x <- unclass(x)
    text <- rep("null", length(x))
    finite <- is.finite(x)
    text[finite] <- format_number(x[finite])
    return(text)
  }
  mf_abort(sprintf("A value of class %s cannot cross to Python.", class(x)[[1]]), "metaflow_internal_error")
}

# The shortest of 15 or 17 digits that reads back as the same number. Without ifelse(), which costs a forked child 15 pages.
format_number <- function(x) {
  text <- sprintf("%.15g", x)
  longer <- as.numeric(text) != x
  if (any(longer)) text[longer] <- sprintf("%.17g", x[longer])
  text
}

null_where <- function(missing, text) {
  text[missing] <- "null"
  text
}

# JSON is UTF-8, wherever it is printed.
print_json <- function(x) put_lines(json(x))

# Lines as the bytes that they are. In the C locale R would print "<U+00E4>" instead.
put_lines <- function(lines) writeLines(enc2utf8(lines), useBytes = TRUE)

# In the C locale a text that was typed has no encoding; what is valid UTF-8 is hardly anything else.
utf8_text <- function(x) {
  if (!l10n_info()$MBCS && !l10n_info()$`Latin-1`) {
    native <- Encoding(x) == "unknown" & validUTF8(x)
    Encoding(x)[native] <- "UTF-8"
  }
  enc2utf8(x)
}

json_string <- function(x) {
  if (!length(x)) return(character())
  if (is_short_and_plain(x)) return(paste0("\"", x, "\""))
  missing <- is.na(x)
  x <- utf8_text(x)
  special <- grepl("[\\\\\"[:cntrl:]]", x, useBytes = FALSE)
  special[is.na(special)] <- TRUE
  if (any(special)) x[special] <- vapply(x[special], json_escape, "", USE.NAMES = FALSE)
  x <- paste0("\"", x, "\"")
  x[missing] <- "null"
  x
}

# A few short texts of printable ASCII without quotes and backslashes?
is_short_and_plain <- function(x) {
  if (length(x) > 32L || anyNA(x)) return(FALSE)
  code <- utf8ToInt(paste(x, collapse = ""))
  length(code) <= 512L && !anyNA(code) && !any(code < 32L | code > 126L | code == 34L | code == 92L)
}

json_escape <- function(s) {
  if (!validUTF8(s)) s <- iconv(s, "UTF-8", "UTF-8", sub = "byte")
  code <- utf8ToInt(s)
  plain <- code >= 32L & code != 34L & code != 92L & code != 127L
  out <- intToUtf8(code, multiple = TRUE)
  out[code == 34L] <- "\\\""
  out[code == 92L] <- "\\\\"
  out[!plain & code < 32L | code == 127L] <- sprintf("\\u%04x", code[!plain & code < 32L | code == 127L])
  paste(out, collapse = "")
}

parse_json <- function(text) jsonlite::parse_json(text)

# The same of one text, and the bytes of a base64 text, by the routines below jsonlite's functions where they are the ones that
# we know (native-routines.R).
parse_order <- function(text) json_calls()$parse(text)

base64_bytes <- function(text) json_calls()$decode(text)

json_calls <- function() the$json_calls %||% find_json_calls()

find_json_calls <- function(routines = known_routines("jsonlite", "R_", c(parse = 2L, base64_decode = 1L))) {
  the$json_calls <- if (is.null(routines)) list(parse = parse_json, decode = jsonlite::base64_dec) else list(
    parse = function(text) .Call(routines$parse, text, FALSE),
    decode = function(text) .Call(routines$base64_decode, charToRaw(text))
  )
  the$json_calls
}
