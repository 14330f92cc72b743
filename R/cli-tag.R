command_tag <- function() {
  cli_command("add, remove, replace or list the tags of a run", words = "add|remove TAG ..., replace OLD NEW, list [RUN]", options = list(
    cli_option("run_id", "the run (default: the newest)", value = "ID"),
    cli_option("add", "with replace: a tag to add", "many", "TAG"), cli_option("remove", "with replace: a tag to take away", "many", "TAG"),
    cli_option("my_runs", "list: of all runs in the namespace", "flag"), cli_option("all", "list: of all runs, whatever their namespace", "flag"),
    cli_option("hide_system_tags", "list: without those that say what a run is", "flag"),
    cli_option("group_by_run", "list: a line for each run", "flag"), cli_option("group_by_tag", "list: a line for each tag, with its runs", "flag"),
    cli_option("flat", "list: a line for each tag, and nothing else", "flag"), json_option()
  ), perform = function(flow, parsed, given) {
    actions <- c("add", "remove", "replace", "list")
    action <- if (length(parsed$words)) parsed$words[[1]] else usage_error("tag needs an action.", "Actions: add remove replace list.")
    if (!action %in% actions) usage_error(sprintf("Unknown action '%s' of tag.", action), did_you_mean(action, actions) %||% "Actions: add remove replace list.")
    words <- parsed$words[-1]
    check_tag_options(action, parsed$options)
    if (action == "list") list_tags(flow, words, parsed$options) else change_tags_command(flow, action, words, parsed$options)
    0L
  })
}

# Options of one action say so when they stand with another.
check_tag_options <- function(action, options) {
  of_replace <- c("add", "remove")
  of_list <- c("my_runs", "all", "hide_system_tags", "group_by_run", "group_by_tag", "flat")
  wrong <- intersect(names(options), c(if (action != "replace") of_replace, if (action != "list") of_list))
  if (length(wrong)) {
    usage_error(sprintf("tag %s has no --%s.", action, gsub("_", "-", wrong[[1]])),
      sprintf("It belongs to 'tag %s'.", if (wrong[[1]] %in% of_replace) "replace" else "list"))
  }
  for (pair in list(c("all", "my_runs"), c("group_by_run", "group_by_tag"), c("flat", "group_by_run"), c("flat", "group_by_tag"), c("run_id", "all"), c("run_id", "my_runs"))) {
    if (all(pair %in% names(options))) usage_error(sprintf("--%s and --%s do not go together.", gsub("_", "-", pair[[1]]), gsub("_", "-", pair[[2]])))
  }
}

change_tags_command <- function(flow, action, words, options) {
  add <- if (action == "add") words else options$add
  remove <- if (action == "remove") words else options$remove
  if (action == "replace" && length(words)) {
    if (length(c(add, remove)) || length(words) != 2L) {
      usage_error("tag replace needs two tags: the old one and the new one.", "For several, write tag replace --remove OLD --remove OLDER --add NEW.")
    }
    remove <- words[[1]]
    add <- words[[2]]
  }
  if (action == "replace") {
    if (!length(remove)) usage_error("tag replace needs a tag to take away.", if (length(add)) "To add tags only, write tag add." else "Write tag replace OLD NEW.")
    if (!length(add)) usage_error("tag replace needs a tag to add.", "To take tags away only, write tag remove.")
  } else if (!length(words)) {
    usage_error(sprintf("tag %s needs a tag.", action))
  }
  run <- tagged_run(flow, options$run_id)
  change_tags(run, add = as.list(add), remove = as.list(remove))
  show_run_tags(run$pathspec, run$tags, isTRUE(options$json))
}

list_tags <- function(flow, words, options) {
  if (length(words) > 1L || length(words) && "run_id" %in% names(options)) usage_error("tag list takes one run.", "Write tag list RUN, or tag list --run-id RUN.")
  across <- isTRUE(options$all) || isTRUE(options$my_runs)
  if (across && length(words)) usage_error("tag list takes a run, or --all, or --my-runs.")
  tags <- if (across) tags_of_runs(flow, isTRUE(options$all)) else tags_of_run(tagged_run(flow, c(options$run_id, words)))
  runs <- attr(tags, "runs")
  if (isTRUE(options$hide_system_tags)) tags <- tags[!tags$system, ]
  as_json <- isTRUE(options$json)
  if (isTRUE(options$flat)) {
    found <- tag_order(tags)
    if (as_json) print_json(I(found)) else put_lines(found)
  } else if (isTRUE(options$group_by_tag)) {
    found <- tag_order(tags)
    with <- lapply(found, function(tag) tags$run[tags$tag == tag])
    if (as_json) print_json(Map(function(tag, runs) list(tag = tag, runs = I(runs)), found, with, USE.NAMES = FALSE))
    else put_lines(sprintf("%s: %s", found, vapply(with, paste, "", collapse = ", ")))
  } else if (across || isTRUE(options$group_by_run)) {
    by_run <- lapply(split(tags$tag, factor(tags$run, levels = runs)), I)
    if (as_json) print_json(Map(function(run, tags) list(run = run, tags = tags), names(by_run), by_run, USE.NAMES = FALSE))
    else put_lines(sprintf("%s: %s", names(by_run), vapply(by_run, paste, "", collapse = ", ")))
  } else {
    show_run_tags(runs, tags$tag, as_json)
  }
}

# A row for each tag of each run, newest run first. `system`: it says what the run is. Attribute "runs": all of them.
tags_of_run <- function(run) tag_rows(run$pathspec, list(run$user_tags), list(run$system_tags))

tags_of_runs <- function(flow, all) {
  view <- current_view()
  # When there is no such flow, or it has no run in the namespace, this says so.
  if (!all) flow_client$new(flow$name)
  columns <- core_call("browse.run_tags", view = if (all) everywhere(view) else view, flow = flow$name)
  tag_rows(paste(flow$name, text_column(columns$run), sep = "/", recycle0 = TRUE), lapply(columns$tags, text_vector), lapply(columns$system_tags, text_vector))
}

tag_rows <- function(runs, given, system) {
  both <- Map(c, given, system)
  rows <- data.frame(
    run = rep(runs, lengths(both)), tag = as.character(unlist(both)),
    system = as.logical(unlist(Map(function(g, s) rep(c(FALSE, TRUE), c(length(g), length(s))), given, system))), stringsAsFactors = FALSE
  )
  attr(rows, "runs") <- runs
  rows
}

# Each tag once, those that were given first.
tag_order <- function(rows) c(sort(unique(rows$tag[!rows$system])), sort(unique(rows$tag[rows$system])))

show_run_tags <- function(pathspec, tags, as_json) {
  if (as_json) print_json(list(run = pathspec, tags = I(tags)))
  else cat(pathspec, ": ", paste(tags, collapse = ", "), "\n", sep = "")
}

tagged_run <- function(flow, id) {
  if (length(id)) return(run_client$new(paste(flow$name, sub("^.*/", "", id), sep = "/")))
  flow_client$new(flow$name)$latest_run %||% mf_abort(sprintf("%s has no runs here.", flow$name), "metaflow_not_found_error")
}
