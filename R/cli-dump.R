command_dump <- function() {
  cli_command("show the artifacts of a run, step or task", words = "RUN[/STEP[/TASK]]", options = list(
    cli_option("max_value_size", "largest artifact whose value is shown, in bytes (default 1000000)", value = "BYTES"),
    cli_option("include", "only these artifacts, as x,y", value = "NAMES"), json_option()
  ), perform = function(flow, parsed, given) {
    pathspec <- typed_pathspec(flow, parsed$words, "dump")
    most <- suppressWarnings(as.numeric(parsed$options$max_value_size %||% 1e6))
    if (is.na(most)) usage_error("Option '--max-value-size' must be a number of bytes.")
    include <- if (is.null(parsed$options$include)) NULL else strsplit(parsed$options$include, ",", fixed = TRUE)[[1]]
    tasks <- dumped_tasks(pathspec)
    records <- lapply(tasks, function(task) artifact_records(task$pathspec))
    check_included(include, unique(unlist(lapply(records, names))), pathspec)
    if (!is.null(include)) records <- lapply(records, function(r) r[names(r) %in% include])
    if (isTRUE(parsed$options$json)) {
      print_json(Map(function(task, r) list(pathspec = task$pathspec, artifacts = as_object(r)), tasks, records))
    } else {
      for (i in seq_along(tasks)) dump_task(tasks[[i]], records[[i]], most)
    }
    0L
  })
}

check_included <- function(include, known, pathspec) {
  unknown <- setdiff(include, known)
  if (!length(unknown)) return(invisible())
  usage_error(sprintf("%s has no artifact %s.", pathspec, quoted(unknown)), missing_hint(unknown[[1]], known))
}

dumped_tasks <- function(pathspec) {
  parts <- strsplit(pathspec, "/", fixed = TRUE)[[1]]
  switch(as.character(length(parts)),
    "2" = unlist(lapply(unname(run_client$new(pathspec)$steps), function(s) unname(s$tasks))),
    "3" = unname(step_client$new(pathspec)$tasks),
    "4" = list(task_client$new(pathspec)),
    usage_error(sprintf("'%s' is not a run, step or task.", pathspec), "Write RUN, RUN/STEP or RUN/STEP/TASK.")
  )
}

dump_task <- function(task, records, most) {
  cat("Task ", task$pathspec, "\n", sep = "")
  for (name in names(records)) {
    record <- records[[name]]
    about <- sprintf("  %s: %s, %s", name, paste(unlist(record$class), collapse = "/"), format_bytes(record$size))
    if (record$size > most) {
      cat(about, " (not shown)\n", sep = "")
    } else {
      shown <- utils::capture.output(utils::str(task$artifact(name), give.head = TRUE, max.level = 2L, vec.len = 4L, list.len = 20L))
      cat(about, "\n", paste0("    ", shown, "\n"), sep = "")
    }
  }
}
