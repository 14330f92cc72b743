# R values as bytes, and back.
#
# Source of the format: R's own serializer, version 3, native byte order: it runs at the speed of
# memory and gives back what it was given, `identical()`. The record of an artifact calls it
# "r-serialize-3". Values that belong together are written to one file (a pack), each with its
# offset and size; a large value has a file of its own so that equal ones are stored once.

r_encoding <- "r-serialize-3"
small_bytes <- 65536L

to_bytes <- function(x) serialize(x, NULL, xdr = FALSE, version = 3L)

write_value <- function(x, path) {
  con <- file(path, "wb", raw = TRUE)
  on.exit(close(con))
  serialize(x, con, xdr = FALSE, version = 3L)
  invisible(path)
}

read_value <- function(path, offset = 0, size = NULL) {
  # `raw = TRUE` is for files that cannot seek; here it also spares R's guess at a compression.
  if (offset == 0 && (is.null(size) || size > 4 * small_bytes)) {
    con <- file(path, "rb", raw = TRUE)
    on.exit(close(con))
    return(unserialize(con))
  }
  unserialize(read_bytes(path, offset, size))
}

read_bytes <- function(path, offset = 0, size = NULL) {
  con <- file(path, "rb")
  on.exit(close(con))
  if (offset > 0) seek(con, offset)
  readBin(con, "raw", if (is.null(size)) file.size(path) else size)
}

# Is it cheap to serialize this into memory first? Looks at a bounded number of elements only;
# a wrong answer costs a copy, never correctness.
looks_small <- function(x) {
  if (is.atomic(x) && is.null(attributes(x))) return(length(x) <= atomic_limit(x))
  budget <- 2048L
  visit <- function(x, depth) {
    if (budget <= 0L || depth > 40L) return(FALSE)
    budget <<- budget - 1L
    if (is.null(x) || is.symbol(x)) return(TRUE)
    if (is.environment(x) || is.function(x) || isS4(x) || typeof(x) %in% c("externalptr", "weakref")) return(FALSE)
    # A class may have methods for length() and as.list() that do anything; the bytes are those of the bare value.
    bare <- unclass(x)
    if (is.atomic(bare)) {
      if (length(bare) > atomic_limit(bare)) return(FALSE)
    } else {
      if (length(bare) > budget) return(FALSE)
      for (element in as.list(bare)) if (!missing(element) && !visit(element, depth + 1L)) return(FALSE)
    }
    for (attribute in attributes(x)) if (!visit(attribute, depth + 1L)) return(FALSE)
    TRUE
  }
  visit(x, 0L)
}

atomic_limit <- function(x) if (is.character(x)) 512L else 4096L

# What the record of an artifact says about the value, beside its bytes.
describe_value <- function(x) {
  if (!is.object(x)) return(list(class = json_array(class(x)), dim = if (!is.null(dim(x))) I(dim(x)), length = length(x)))
  # Methods of classes may fail, or answer what is no size.
  dim <- tryCatch(dim(x), error = function(e) NULL)
  length <- tryCatch(as.numeric(length(x)), error = function(e) NA_real_)
  if (!isTRUE(is.finite(length))) length <- if (is.environment(x) || isS4(x)) 1 else length(unclass(x))
  list(class = I(class(x)), dim = if (is.numeric(dim)) I(dim), length = length)
}

# Writes named values below `folder`: all small ones into the file `pack`, each large one into a
# file of its own, whose name is said to `announce()` before it is written. Returns one description per
# value: file, offset, size, class, dim, length.
write_values <- function(values, folder, pack_name = "pack", announce = function(name) NULL) {
  calls <- file_calls()
  pack <- NULL
  offset <- 0
  on.exit(if (!is.null(pack)) calls$close(pack))
  items <- vector("list", length(values))
  for (i in seq_along(values)) {
    value <- values[[i]]
    bytes <- if (looks_small(value)) to_bytes(value)
    if (is.null(bytes) || length(bytes) > small_bytes) {
      name <- paste0(pack_name, "-", i)
      path <- file.path(folder, name)
      announce(name)
      if (is.null(bytes)) write_value(value, path) else write_file(path, bytes)
      place <- list(file = name, offset = 0, size = file.size(path))
    } else {
      if (is.null(pack)) pack <- calls$create(paste0(folder, "/", pack_name))
      write_all(pack, bytes, calls)
      place <- list(file = pack_name, offset = offset, size = length(bytes))
      offset <- offset + length(bytes)
    }
    items[[i]] <- c(place, describe_value(value))
  }
  names(items) <- names(values)
  items
}

# The same descriptions as JSON. A task may have a thousand artifacts; most have a few, and vapply() has its price.
values_json <- function(items) {
  if (!length(items)) return(as_json("{}"))
  each <- function(field, what, of) {
    if (length(items) == 1L) return(of(items[[1L]][[field]]))
    vapply(items, function(item) of(item[[field]]), what)
  }
  text <- sprintf(
    "%s:{\"file\":%s,\"offset\":%.15g,\"size\":%.15g,\"class\":%s,\"dim\":%s,\"length\":%.15g}",
    json_string(names(items)), json_string(each("file", "", as.character)), each("offset", 0, as.numeric),
    each("size", 0, as.numeric), each("class", "", json), each("dim", "", json), each("length", 0, as.numeric)
  )
  as_json(paste0("{", paste(text, collapse = ","), "}"))
}
