# What the code of a run is, as bytes that can be compared between sessions (python/metaflow_core/engine/fingerprint.py).
#
# serialize() alone does not do: it writes where a function was parsed, whether it was compiled already, and how a
# vector happens to be stored. So functions, environments and code are first brought into a canonical form, in
# which these are left out and nothing else: whatever can make a function do something else is in it, the values in
# its closure included. What cannot be compared (an external pointer) is a problem of the piece that it is in.

# The pieces of a capture (capture.R), their bytes in a file below `staging`.
fingerprint_request <- function(captured, staging) {
  workspace <- names(captured$globals)
  tables <- is_class_table(workspace)
  others <- captured[setdiff(names(captured), c("format", "functions", "globals", "packages", "rng", "reached", "script"))]
  pieces <- c(
    named_pieces("steps/", captured$functions),
    named_pieces("globals/", captured$globals[!tables]),
    if (any(tables)) list(classes = captured$globals[tables]),
    if (length(others)) list(other = others)
  )
  con <- file(file.path(staging, "fingerprint"), "wb", raw = TRUE)
  on.exit(close(con))
  libraries <- unique(c(package_library(), .libPaths()))
  installed <- setdiff(list.files(libraries), base_packages)
  described <- lapply(names(pieces), function(name) {
    piece <- fingerprint_piece(pieces[[name]])
    if (is.null(piece$problem)) writeBin(piece$bytes, con)
    list(
      name = name, size = length(piece$bytes), words = I(intersect(workspace, piece$words)),
      packages = I(intersect(installed, piece$words)), dynamic = any(dynamic_words %in% piece$words), problem = piece$problem
    )
  })
  list(
    file = "fingerprint", pieces = described, system = system_facts(), attached = I(captured$packages), rng = I(captured$rng),
    plain = I(Filter(is_plain_name, workspace)), libraries = I(libraries)
  )
}

named_pieces <- function(prefix, values) stats::setNames(values, paste0(prefix, names(values), recycle0 = TRUE))

# Beside the packages, what the results of R depend on. Variables, because workers inherit them.
system_facts <- function() {
  variables <- c("LC_ALL", "LC_COLLATE", "LC_CTYPE", "LC_NUMERIC", "LC_TIME", "LANG", "LANGUAGE", "TZ")
  c(list(R = r_version(), platform = R.version$platform), as.list(Sys.getenv(variables)))
}

# A name that is new in the workspace changes nothing as long as nobody looks it up. One that hides a function of an
# attached package, or that may be a method, is looked up by code that no analysis sees.
is_plain_name <- function(name) {
  grepl("^[A-Za-z][A-Za-z0-9_]*$", name) && !exists(name, envir = parent.env(globalenv()))
}

# Functions that look up names, or run code, that stand nowhere in the text.
dynamic_words <- c(
  "get", "get0", "mget", "exists", "dynGet", "getAnywhere", "getFunction", "existsFunction", "ls", "objects", "apropos",
  "eapply", "eval", "evalq", "eval.parent", "with", "within", "local", "parse", "str2lang", "str2expression", "source", "sys.source",
  "match.fun", "do.call", "as.name", "as.symbol", "sym", "syms", "globalenv", ".GlobalEnv", "topenv", "parent.frame", "parent.env",
  "environment", "sys.function", "sys.frame", "sys.frames", "as.environment", "pos.to.env", "env_get", "exec", "invoke", "attach"
)

# Bytes and words of one piece, or the problem that it cannot be compared.
fingerprint_piece <- function(value) {
  walk <- new_walk()
  tryCatch(
    {
      form <- canonical(value, walk)
      # Version 2 writes vectors out, however they are stored; the first 14 bytes are the version of this R.
      bytes <- serialize(form, NULL, xdr = FALSE, version = 2L)[-(1:14)]
      list(bytes = bytes, words = ls(walk$words, all.names = TRUE, sorted = FALSE))
    },
    error = function(e) list(bytes = raw(), words = character(), problem = conditionMessage(e))
  )
}

most_nodes <- 1e6

# `words`: every symbol and short text that was met; `met`: environments, which may refer to each other.
new_walk <- function() {
  walk <- new.env()
  walk$words <- new.env(hash = TRUE)
  walk$met <- list()
  walk$nodes <- 0
  walk
}

# Every list in a canonical form begins with the word that says what it is the form of.
canonical <- function(x, walk) {
  walk$nodes <- walk$nodes + 1
  if (walk$nodes > most_nodes) stop("it has too many parts", call. = FALSE)
  # A function that was written inside a pipe has the flow so far in its closure, as magrittr's dot.
  if (inherits(x, "metaflow_flow")) return(list("flow"))
  switch(typeof(x),
    `NULL` = NULL,
    symbol = canonical_symbol(x, walk),
    language = canonical_call(x, walk),
    closure = canonical_function(x, walk),
    builtin = , special = list("primitive", deparse(x)),
    environment = canonical_environment(x, walk),
    list = , expression = canonical_list(x, walk),
    pairlist = c(list("pairlist"), canonical_list(as.list(x), walk)),
    S4 = list("S4", canonical_attributes(x, walk)),
    externalptr = , weakref = stop("it holds an external pointer", call. = FALSE),
    promise = , bytecode = , `...` = , any = stop(sprintf("it holds a %s", typeof(x)), call. = FALSE),
    canonical_vector(x, walk)
  )
}

canonical_symbol <- function(x, walk) {
  word <- as.character(x)
  if (nzchar(word)) assign(word, TRUE, envir = walk$words)
  x
}

canonical_vector <- function(x, walk) {
  note_texts(x, walk)
  if (is.null(attributes(x))) return(x)
  bare <- x
  attributes(bare) <- NULL
  list(typeof(x), bare, canonical_attributes(x, walk))
}

note_texts <- function(x, walk) {
  if (!is.character(x) || length(x) > 1000L) return()
  for (word in x[!is.na(x) & nzchar(x) & nchar(x, "bytes") <= 100L]) assign(word, TRUE, envir = walk$words)
}

canonical_list <- function(x, walk) {
  parts <- lapply(seq_along(x), function(i) if (is_missing_argument(x[i])) list("missing") else canonical(.subset2(x, i), walk))
  list(typeof(x), parts, canonical_attributes(x, walk))
}

# `x`: a list of one. A missing argument cannot be handed on.
is_missing_argument <- function(x) identical(unclass(x)[[1L]], quote(expr = ))

# Where code stood in a file says nothing about what it does; a pointer to itself (data.table) neither.
not_compared <- c("srcref", "srcfile", "wholeSrcref", ".internal.selfref", "versionKey")

canonical_attributes <- function(x, walk) {
  found <- attributes(x)
  found <- found[!names(found) %in% c(not_compared, if (is_extension_of_r(x)) c("coerce", "test", "replace"))]
  if (!length(found)) return(NULL)
  found <- found[order(names(found), method = "radix")]
  list("attributes", names(found), lapply(unname(found), canonical, walk = walk))
}

# How a class extends one of R's own is written by `methods`, with all classes of the session at hand.
is_extension_of_r <- function(x) {
  isS4(x) && identical(attr(x, "class")[[1L]], "SClassExtension") && (attr(x, "simple") || attr(attr(x, "superClass"), "package") == "methods")
}

canonical_call <- function(x, walk) {
  parts <- as.list(x)
  # The fourth part of `function(...) ...` says where it was parsed.
  if (identical(parts[[1L]], quote(`function`))) parts <- parts[1:3]
  marks <- vapply(seq_along(parts), function(i) is_missing_argument(parts[i]), FALSE)
  forms <- lapply(seq_along(parts), function(i) if (marks[[i]]) list("missing") else canonical(parts[[i]], walk))
  list("call", names(parts), forms, canonical_attributes(x, walk))
}

canonical_function <- function(f, walk) {
  # What a generic keeps in its environment are its methods, which have a table of their own, and what it remembers of calls.
  home <- if (isS4(f) && methods::is(f, "genericFunction")) list("generic") else canonical_environment(environment(f), walk)
  list("function", canonical_list(as.list(formals(f)), walk), canonical(body(f), walk), canonical_attributes(f, walk), home)
}

canonical_environment <- function(env, walk) {
  if (is.null(env)) return(NULL)
  known <- known_environment(env)
  if (!is.null(known)) return(list("known", known))
  for (i in seq_along(walk$met)) if (identical(walk$met[[i]], env)) return(list("met", i))
  walk$met[[length(walk$met) + 1L]] <- env
  names <- sort(ls(env, all.names = TRUE, sorted = FALSE), method = "radix")
  active <- vapply(names, bindingIsActive, FALSE, env = env)
  values <- as.list.environment(env, all.names = TRUE)[setdiff(names[!active], "...")]
  dots <- if ("..." %in% names) canonical_list(eval(quote(list(...)), env), walk)
  list(
    "environment", names, lapply(names[active], function(name) canonical(activeBindingFunction(as.name(name), env), walk)),
    canonical_list(values, walk), dots, canonical_attributes(env, walk), canonical_environment(parent.env(env), walk)
  )
}

# Environments of packages are known by their names: versions of packages are compared apart.
known_environment <- function(env) {
  if (identical(env, globalenv())) return("global")
  if (identical(env, baseenv()) || identical(env, .BaseNamespaceEnv)) return("base")
  if (identical(env, emptyenv())) return("empty")
  if (isNamespace(env)) return(paste0("namespace:", getNamespaceName(env)))
  name <- attr(env, "name", exact = TRUE)
  if (is_string(name) && grepl("^(package|imports):", name)) return(name)
  if (is_string(name) && identical(name, "Autoloads")) return(name)
  NULL
}

# Is there a memoised step? Only then it is worth the time to look at all of the code.
wants_memory <- function(flow, options) {
  if (isTRUE(options$cache)) return(TRUE)
  with <- vapply(decorators_from_option(options$with), function(d) d$name, "")
  own <- unlist(lapply(flow$steps, function(s) vapply(s$decorators, function(d) d$name, "")))
  "cache" %in% c(with, own)
}
