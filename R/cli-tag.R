command_tag <- function() {
  cli_command("add, remove, replace or list the tags of a run", words = "add|remove|replace|list [TAG ...]", options = list(
    cli_option("run_id", "the run (default: the newest)", value = "ID"), json_option()
  ), perform = function(flow, parsed, given) {
    actions <- c("add", "remove", "replace", "list")
    action <- if (length(parsed$words)) parsed$words[[1]] else usage_error("tag needs an action.", "Actions: add remove replace list.")
    if (!action %in% actions) usage_error(sprintf("Unknown action '%s' of tag.", action), did_you_mean(action, actions) %||% "Actions: add remove replace list.")
    tags <- parsed$words[-1]
    run <- tagged_run(flow, parsed$options$run_id)
    if (action != "list" && !length(tags)) usage_error(sprintf("tag %s needs a tag.", action))
    if (action == "list" && length(tags)) usage_error("tag list takes no tags.", "Give the run by --run-id.")
    if (action == "replace" && length(tags) != 2L) usage_error("tag replace needs two tags: the old one and the new one.")
    switch(action,
      add = run$add_tag(tags), remove = run$remove_tag(tags), replace = run$replace_tag(tags[[1]], tags[[2]]), list = NULL
    )
    if (isTRUE(parsed$options$json)) print_json(list(run = run$pathspec, tags = I(run$tags)))
    else cat(run$pathspec, ": ", paste(run$tags, collapse = ", "), "\n", sep = "")
    0L
  })
}

tagged_run <- function(flow, id) {
  if (!is.null(id)) return(run_client$new(paste(flow$name, id, sep = "/")))
  flow_client$new(flow$name)$latest_run
}
