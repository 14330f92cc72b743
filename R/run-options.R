# What the options of run() may be. All are refused before anything starts; NULL means "not given".

check_run_options <- function(options) {
  for (name in intersect(names(options), names(run_option_rules))) {
    rule <- run_option_rules[[name]]
    if (is.null(options[[name]]) || rule$fits(options[[name]])) next
    mf_abort(sprintf("%s must be %s, not %s.", name, rule$wanted, shown_value(options[[name]])), "metaflow_usage_error")
  }
  invisible(options)
}

option_rule <- function(wanted, fits) list(wanted = wanted, fits = fits)

is_whole <- function(x) is.numeric(x) && length(x) == 1L && is.finite(x) && x == trunc(x)

is_switch <- function(x) is.logical(x) && length(x) == 1L && !is.na(x)

is_filled <- function(x) is_string(x) && nzchar(x)

are_tags <- function(x) {
  x <- unlist(x)
  is.character(x) && !anyNA(x) && all(nzchar(trimws(x)) & nchar(x) <= 500L & !grepl("[[:cntrl:]]", x))
}

run_option_rules <- list(
  max_workers = option_rule("a whole number from 1", function(x) is_whole(x) && x >= 1),
  max_num_splits = option_rule("a whole number from 1", function(x) is_whole(x) && x >= 1),
  config = option_rule("a named list of files, as list(train = \"train.json\")", function(x) !is.null(names(x)) && all(vapply(as.list(x), is_filled, FALSE))),
  config_value = option_rule("a named list of values, as list(train = list(memory = 8000))", function(x) !is.null(names(x))),
  seed = option_rule("a whole number", is_whole),
  tag = option_rule("texts of 1 to 500 printable characters", are_tags),
  namespace = option_rule("one text, as \"user:alice\"", is_filled),
  datastore = option_rule("the name of a storage", is_filled),
  metadata = option_rule("the name of a metadata provider", is_filled),
  datastore_root = option_rule("a folder or address", is_filled),
  package_suffixes = option_rule("suffixes, as c(\".R\", \".csv\")", function(x) is.character(x) && !anyNA(x)),
  isolation = option_rule("\"fork\" or \"fresh\"", function(x) is_string(x) && x %in% c("fork", "fresh")),
  run_id_file = option_rule("a file in a folder that exists", function(x) is_filled(x) && dir.exists(dirname(x))),
  meson = option_rule("\"create\"", function(x) identical(x, "create")),
  resume = option_rule("TRUE or the name of a step", function(x) is_switch(x) || is_filled(x)),
  origin_run_id = option_rule("the number of a run", function(x) is_filled(x) || is_whole(x)),
  retry_task = option_rule("a task, as \"fit/7\"", is_filled),
  cache = option_rule("TRUE or FALSE", is_switch),
  detach = option_rule("TRUE, or the decorator of a cluster, as slurm(time = 600)", function(x) is_switch(x) || is_filled(x) || inherits(x, "metaflow_decorator")),
  wait = option_rule("TRUE or FALSE", is_switch)
)
