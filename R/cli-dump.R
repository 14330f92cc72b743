command_dump <- function() {
  cli_command("show the artifacts of a run, step or task", words = "RUN[/STEP[/TASK]]", options = list(
    cli_option("max_value_size", "largest artifact whose value is shown, in bytes (default 1000000)", value = "BYTES"),
    cli_option("include", "only these artifacts, as x,y", value = "NAMES"),
    cli_option("file", "write the values to an RDS file: a list by task of lists by name", value = "FILE"), json_option()
  ), perform = function(flow, parsed, given) {
    pathspec <- typed_pathspec(flow, parsed$words, "dump")
    most <- suppressWarnings(as.numeric(parsed$options$max_value_size %||% 1e6))
    if (is.na(most)) usage_error("Option '--max-value-size' must be a number of bytes.", "Write --max-value-size 1000000.")
    include <- if (is.null(parsed$options$include)) NULL else strsplit(parsed$options$include, ",", fixed = TRUE)[[1]]
    tasks <- dumped_tasks(pathspec)
    records <- lapply(tasks, function(task) artifact_records(task$pathspec))
    check_included(include, unique(unlist(lapply(records, names))), pathspec)
    if (!is.null(include)) records <- lapply(records, function(r) r[names(r) %in% include])
    if (!is.null(parsed$options$file)) {
      dump_to_file(tasks, records, most, parsed$options$file)
    } else if (isTRUE(parsed$options$json)) {
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
      # str() begins most lines, but not all, with a space.
      cat(about, "\n", paste0("    ", sub("^ ", "", shown), "\n"), sep = "")
    }
  }
}

# What is larger than `most` bytes is left out; the file appears whole.
dump_to_file <- function(tasks, records, most, file) {
  if (!dir.exists(dirname(file))) usage_error(sprintf("There is no folder '%s' to write to.", dirname(file)))
  values <- Map(function(task, found) {
    small <- Filter(function(record) record$size <= most, found)
    sapply(names(small), function(name) task$artifact(name), simplify = FALSE)
  }, tasks, records)
  names(values) <- vapply(tasks, function(task) task$pathspec, "")
  part <- paste0(file, ".part")
  saveRDS(values, part)
  file.rename(part, file)
  count <- sum(lengths(values))
  left_out <- sum(lengths(records)) - count
  cat(sprintf("%s of %s written to %s%s.\n", count_of(count, "value"), count_of(length(tasks), "task"), file,
    if (left_out) sprintf("; %d larger than --max-value-size left out", left_out) else ""))
}
