# Routines of other packages that are called where a forked child has no time for the functions around them: those look at
# their arguments, each look makes objects, and for each page that it writes to a child copies a page.

# The routines of these names, without their `prefix`; NULL when the package has others, or some that take other numbers of
# arguments. `arguments`: named integers.
known_routines <- function(package, prefix, arguments) {
  routines <- mget(paste0(prefix, names(arguments)), envir = asNamespace(package), ifnotfound = list(NULL))
  routines <- stats::setNames(routines, names(arguments))
  if (!all(vapply(routines, inherits, FALSE, "NativeSymbolInfo"))) return(NULL)
  if (!identical(vapply(routines, `[[`, 0L, "numParameters"), arguments)) return(NULL)
  routines
}
