#' Files in S3, many at once
#'
#' A client for files in Amazon S3 and in servers that speak like it (`METAFLOW_S3_ENDPOINT_URL`). What it is
#' asked for goes over many connections side by side, is repeated when the network fails, and is checked when it
#' arrives.
#'
#' @param root Address that keys are relative to, as `"s3://bucket/prefix"`. Without `root` and `run` keys are
#'   whole addresses.
#' @param run Files that belong to a run: `TRUE` in a step for the run that is running, else a run of the client
#'   or its pathspec, `"Flow/12"`. They are kept beside the datastore when that is in S3, else below
#'   `METAFLOW_S3_ROOT`.
#'
#' @return An object with these methods. A key is a text; several are a character vector.
#'
#' * `get(key, range = NULL, missing_ok = FALSE)`, `get_many(keys, missing_ok = FALSE)`: download. `range` is
#'   `c(offset, size)` in bytes. In `get_many()` the keys may be a list, with `list(key, offset, size)` for a range.
#' * `get_recursive(prefixes)`, `get_all()`: everything below prefixes, or the root.
#' * `put(key, value, overwrite = TRUE)`: `value` is one text or a raw vector. `put_many(values)`: a named list of them.
#' * `put_files(paths, overwrite = TRUE)`: local files, named by their keys. All three return addresses.
#' * `list_paths(prefixes = NULL)`: what is directly below, folders with a key that ends in `/`.
#'   `list_recursive(prefixes = NULL)`: all files below.
#' * `info(key, missing_ok = FALSE)`, `info_many(keys, missing_ok = FALSE)`: without the content.
#' * `close()`: removes what was downloaded; the end of the session does so, too.
#'
#' Results are objects, or lists of them named by key, with `$key`, `$url`, `$size` (bytes), `$exists`,
#' `$modified_at`, `$content_type`, `$metadata`, and the content as `$path` (a local file), `$raw` or `$text`
#' (UTF-8). Of what was only listed the content is downloaded when it is first looked at.
#'
#' Errors have the classes `metaflow_not_found_error`, `metaflow_access_denied_error`,
#' `metaflow_invalid_range_error`, `metaflow_disk_full_error`, `metaflow_corrupted_error` and
#' `metaflow_store_error`.
#' @export
#' @examples
#' \dontrun{
#' s3 <- mf_s3("s3://bucket/models")
#' s3$put_many(list(a = "one", b = as.raw(1:10)))
#' s3$get("a")$text
#' lapply(s3$get_many(c("a", "b")), function(file) file$size)
#'
#' train <- function(self) {
#'   s3 <- mf_s3(run = TRUE)
#'   s3$put_files(c("report.html" = "out/report.html"))
#' }
#' }
mf_s3 <- function(root = NULL, run = NULL) {
  if (!is.null(root) && !is_string(root)) {
    mf_abort("The root of mf_s3() must be one address.", "metaflow_usage_error", "Write mf_s3(\"s3://bucket/prefix\").")
  }
  s3_client$new(root, s3_run(run))
}

s3_run <- function(run) {
  if (is.null(run) || isFALSE(run)) return(NULL)
  if (inherits(run, "metaflow_client")) return(client_place(run)$pathspec)
  if (is_string(run)) return(run)
  if (!isTRUE(run)) {
    mf_abort("mf_s3() does not know this run.", "metaflow_usage_error", "Give run = TRUE in a step, or \"Flow/12\".")
  }
  if (is.null(the$task)) {
    mf_abort("mf_s3(run = TRUE) can be used only inside a step.", "metaflow_usage_error", "Outside name the run: run = \"Flow/12\".")
  }
  facts <- the$task$current
  paste(facts$flow_name, facts$run_id, sep = "/")
}

s3_client <- R6::R6Class("metaflow_s3",
  cloneable = FALSE,
  public = list(
    root = NULL,
    initialize = function(root, run) {
      private$folder <- tempfile("s3-")
      dir.create(private$folder)
      begun <- core_call("s3.start", settings = settings_request(task_datastore()), root = root, run = run, folder = private$folder)
      private$id <- begun$id
      self$root <- begun$root
    },
    get = function(key, range = NULL, missing_ok = FALSE) {
      wanted <- if (is.null(range)) s3_key(key) else c(list(s3_key(key)), s3_range(range))
      self$get_many(list(wanted), missing_ok)[[1]]
    },
    get_many = function(keys, missing_ok = FALSE) {
      private$objects("get_many", keys = I(s3_wanted(keys)), missing_ok = missing_ok)
    },
    get_recursive = function(prefixes) private$objects("get_recursive", prefixes = I(s3_keys(prefixes))),
    get_all = function() private$objects("get_all"),
    put = function(key, value, overwrite = TRUE, content_type = NULL, metadata = NULL) {
      invisible(self$put_many(stats::setNames(list(value), s3_key(key)), overwrite, content_type, metadata)[[1]])
    },
    put_many = function(values, overwrite = TRUE, content_type = NULL, metadata = NULL) {
      files <- s3_files(values, private$folder)
      on.exit(unlink(files))
      self$put_files(files, overwrite, content_type, metadata)
    },
    put_files = function(paths, overwrite = TRUE, content_type = NULL, metadata = NULL) {
      keys <- s3_names(paths, "The paths of put_files()", "c(\"key\" = \"path\")")
      urls <- private$ask("put_files", keys = I(keys), paths = I(normalizePath(unlist(paths), mustWork = FALSE)), overwrite = isTRUE(overwrite),
        content_type = content_type, metadata = if (length(metadata)) lapply(metadata, as.character))
      invisible(stats::setNames(as.character(unlist(urls)), keys))
    },
    list_paths = function(prefixes = NULL) private$objects("list_paths", prefixes = if (!is.null(prefixes)) I(s3_keys(prefixes))),
    list_recursive = function(prefixes = NULL) private$objects("list_recursive", prefixes = if (!is.null(prefixes)) I(s3_keys(prefixes))),
    info = function(key, missing_ok = FALSE) self$info_many(s3_key(key), missing_ok)[[1]],
    info_many = function(keys, missing_ok = FALSE) {
      private$objects("info_many", keys = I(s3_keys(keys)), missing_ok = isTRUE(missing_ok))
    },
    close = function() {
      if (!is.null(private$id)) private$ask("close")
      private$id <- NULL
      unlink(private$folder, recursive = TRUE)
      invisible(self)
    },
    print = function(...) {
      cat("<metaflow s3> ", self$root %||% "(whole addresses)", "\n", sep = "")
      invisible(self)
    }
  ),
  private = list(
    id = NULL,
    folder = NULL,
    ask = function(method, ...) {
      if (is.null(private$id)) mf_abort("This client of S3 was closed.", "metaflow_usage_error", "Make another one with mf_s3().")
      core_call(paste0("s3.", method), id = private$id, ...)
    },
    objects = function(method, ...) {
      rows <- private$ask(method, ...)
      found <- lapply(rows, new_s3_object, download = function(url) private$ask("download", url = url))
      stats::setNames(found, vapply(rows, function(row) row$key, ""))
    }
  )
)

s3_key <- function(key) {
  if (is_string(key) && nzchar(key)) return(key)
  mf_abort(sprintf("%s is not the key of a file in S3.", shown_value(key)), "metaflow_usage_error", "Use one text that is not empty.")
}

s3_keys <- function(keys) {
  keys <- unlist(keys, use.names = FALSE)
  if (!length(keys)) return(character())
  if (is.character(keys) && !anyNA(keys)) return(keys)
  mf_abort("Keys of files in S3 are texts.", "metaflow_usage_error", "Use a character vector.")
}

s3_wanted <- function(keys) {
  if (!is.list(keys)) return(as.list(s3_keys(keys)))
  unname(lapply(keys, function(key) {
    if (!is.list(key)) return(s3_key(key))
    c(list(s3_key(key[[1]])), s3_range(unlist(key[-1])))
  }))
}

s3_range <- function(range) {
  if (is.numeric(range) && length(range) == 2L && !anyNA(range)) return(as.list(as.numeric(range)))
  mf_abort("A range of a file in S3 is two numbers.", "metaflow_usage_error", "Write range = c(offset, size), in bytes.")
}

s3_names <- function(x, what, example) {
  keys <- names(x)
  if (!length(x)) return(character())
  if (!is.null(keys) && all(nzchar(keys)) && !anyNA(keys)) return(keys)
  mf_abort(sprintf("%s must be named by their keys.", what), "metaflow_usage_error", sprintf("Write %s.", example))
}

# Values as files, which is how they cross to Python: texts as UTF-8, without an end of line of ours.
s3_files <- function(values, folder) {
  keys <- s3_names(values, "The values of put_many()", "list(key = value)")
  files <- vapply(seq_along(keys), function(i) {
    value <- values[[i]]
    if (!is.raw(value) && !is_string(value)) {
      mf_abort(sprintf("The value of '%s' is %s, which mf_s3() cannot store.", keys[[i]], shown_value(value)), "metaflow_usage_error",
        "Use one text or a raw vector; serialize(x, NULL) makes one of any value.")
    }
    file <- tempfile("put-", tmpdir = folder)
    writeBin(if (is.raw(value)) value else charToRaw(enc2utf8(value)), file)
    file
  }, "")
  stats::setNames(files, keys)
}
