command_dump <- function() {
  cli_command("show the artifacts of a run, step or task", words = "RUN[/STEP[/TASK]]", options = list(
    cli_option("max_value_size", "largest artifact whose value is shown, in bytes (default 1000000)", value = "BYTES"),
    cli_option("include", "only these artifacts, as x,y", value = "NAMES"), json_option()
  ), perform = function(flow, parsed, given) {
    pathspec <- typed_pathspec(flow, if (length(parsed$words)) parsed$words[[1]], "a run, step or task", "dump")
    most <- as.numeric(parsed$options$max_value_size %||% 1e6)
    if (is.na(most)) usage_error("Option '--max-value-size' must be a number of bytes.")
    include <- if (is.null(parsed$options$include)) NULL else strsplit(parsed$options$include, ",", fixed = TRUE)[[1]]
    tasks <- dumped_tasks(pathspec)
    if (isTRUE(parsed$options$json)) {
      cat(json(lapply(tasks, dump_record, include = include)), "\n", sep = "")
    } else {
      for (task in tasks) dump_task(task, include, most)
    }
    0L
  })
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

dump_record <- function(task, include) {
  records <- artifact_records(task$pathspec)
  if (!is.null(include)) records <- records[names(records) %in% include]
  list(pathspec = task$pathspec, artifacts = as_object(records))
}

dump_task <- function(task, include, most) {
  records <- dump_record(task, include)$artifacts
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
