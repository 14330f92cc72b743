command_list <- function() {
  cli_command("list the runs of this flow", options = list(
    cli_option("limit", "how many, newest first (default 20)", value = "N"), json_option()
  ), perform = function(flow, parsed, given) {
    limit <- typed_numbers(list(limit = parsed$options$limit %||% "20"))$limit
    # A flow that never ran is not known to the datastore.
    runs <- tryCatch(mf_runs(flow$name, limit = limit), metaflow_not_found_error = function(e) data.frame(run_id = character()))
    if (isTRUE(parsed$options$json)) {
      print_json(lapply(seq_len(nrow(runs)), function(i) {
        list(run = runs$run_id[[i]], status = runs$status[[i]], created_at = format(runs$created_at[[i]], "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"),
          seconds = runs$seconds[[i]], user = runs$user[[i]], tags = I(as.character(runs$tags[[i]])))
      }))
    } else if (!nrow(runs)) {
      cat(flow$name, " has no runs here.\n", sep = "")
    } else {
      put_lines(list_lines(runs))
    }
    0L
  })
}

list_lines <- function(runs) {
  columns <- list(
    run = runs$run_id, status = status_words(runs$status), started = format(runs$created_at, "%Y-%m-%d %H:%M:%S"),
    took = vapply(runs$seconds, format_seconds, ""), user = runs$user,
    tags = vapply(runs$tags, function(t) paste(t, collapse = ", "), "")
  )
  trimws(do.call(paste, c(lapply(names(columns), function(n) format(c(n, columns[[n]]))), sep = "  ")), "right")
}
