# A named list of facts that prints one per line; what is unknown is left out.

new_facts <- function(facts) structure(Filter(Negate(is.null), facts), class = c("metaflow_facts", "list"))

#' @export
print.metaflow_facts <- function(x, ...) {
  print_facts(cli::col_grey("<metaflow facts>"), lapply(unclass(x), shown_fact))
  invisible(x)
}

# A decorator with its arguments, as it is written in a flow.
shown_call <- function(name, arguments) {
  sprintf("%s(%s)", name, paste(names(arguments), "=", vapply(arguments, shown_value, ""), collapse = ", ", recycle0 = TRUE))
}

shown_fact <- function(value) {
  if (inherits(value, "POSIXct")) return(format(value, "%Y-%m-%d %H:%M:%S"))
  if (is.list(value)) value <- vapply(names(value), function(name) shown_call(name, value[[name]]), "")
  else if (!is.null(names(value))) value <- paste(names(value), value)
  paste(trimws(format(value, trim = TRUE, justify = "none", digits = 3, big.mark = "")), collapse = ", ")
}
