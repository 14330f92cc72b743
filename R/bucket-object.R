# A file in S3 as mf_s3() gives it: what is known of it, and its content, downloaded when it is first looked at.

new_s3_object <- function(row, download) {
  object <- new.env(parent = emptyenv())
  facts <- list(
    key = row$key, url = row$url, exists = row$exists, size = row$size,
    modified_at = if (!is.null(row$modified_at)) as.POSIXct(row$modified_at, origin = "1970-01-01"),
    content_type = row$content_type, metadata = lapply(row$metadata, as.character)
  )
  list2env(list(facts = facts, path = row$path, download = download), envir = object)
  structure(object, class = "metaflow_s3_object")
}

s3_content <- c("path", "raw", "text")

s3_object_facts <- function(x) get("facts", envir = x, inherits = FALSE)

s3_object_path <- function(x) {
  path <- get("path", envir = x, inherits = FALSE)
  if (!is.null(path) && file.exists(path)) return(path)
  path <- get("download", envir = x, inherits = FALSE)(s3_object_facts(x)$url)
  assign("path", path, envir = x)
  path
}

s3_object_get <- function(x, name) {
  facts <- s3_object_facts(x)
  if (name == "downloaded") return(!is.null(get("path", envir = x, inherits = FALSE)))
  if (!name %in% s3_content) {
    if (name %in% names(facts)) return(facts[[name]])
    attribute_error(sprintf("a file in S3 has no attribute '%s'", name), missing_hint(name, c(names(facts), "downloaded", s3_content)))
  }
  path <- s3_object_path(x)
  if (name == "path") return(path)
  bytes <- readBin(path, "raw", file.size(path))
  if (name == "raw") return(bytes)
  if (any(bytes == 0)) {
    mf_abort(sprintf("%s is not text.", facts$url), "metaflow_usage_error", "Look at $raw or $path.")
  }
  text <- rawToChar(bytes)
  Encoding(text) <- "UTF-8"
  text
}

#' @export
`$.metaflow_s3_object` <- function(x, name) s3_object_get(x, name)

#' @export
`[[.metaflow_s3_object` <- function(x, i, ...) s3_object_get(x, i)

#' @export
names.metaflow_s3_object <- function(x) c(names(s3_object_facts(x)), "downloaded", s3_content)

#' @rawNamespace S3method(.DollarNames, metaflow_s3_object)
.DollarNames.metaflow_s3_object <- function(x, pattern = "") grep(pattern, names(x), value = TRUE)

#' @export
format.metaflow_s3_object <- function(x, ...) {
  facts <- s3_object_facts(x)
  size <- if (!is.null(facts$size)) paste0(", ", format_bytes(facts$size)) else if (endsWith(facts$url, "/")) ", a folder" else ", missing"
  paste0("<s3 file> ", facts$url, size)
}

#' @export
print.metaflow_s3_object <- function(x, ...) {
  cat(format(x), "\n", sep = "")
  invisible(x)
}

#' @export
str.metaflow_s3_object <- function(object, ...) print(object)
