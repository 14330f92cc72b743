command_list <- function() {
  cli_command("list the runs of this flow", options = list(
    cli_option("limit", "how many, newest first (default 20)", value = "N"), json_option()
  ), perform = function(flow, parsed, given) {
    limit <- suppressWarnings(as.integer(parsed$options$limit %||% "20"))
    if (is.na(limit) || limit < 1L) usage_error("Option '--limit' must be a whole number from 1.")
    runs <- mf_runs(flow$name, limit = limit)
    if (isTRUE(parsed$options$json)) {
      cat(json(lapply(seq_len(nrow(runs)), function(i) {
        list(run = runs$run_id[[i]], status = runs$status[[i]], created_at = format(runs$created_at[[i]], "%Y-%m-%dT%H:%M:%SZ", tz = "UTC"),
          seconds = runs$seconds[[i]], user = runs$user[[i]], tags = I(as.character(runs$tags[[i]])))
      })), "\n", sep = "")
    } else if (!nrow(runs)) {
      cat(flow$name, " has no runs here.\n", sep = "")
    } else {
      writeLines(list_lines(runs))
    }
    0L
  })
}

list_lines <- function(runs) {
  columns <- list(
    run = runs$run_id, status = runs$status, started = format(runs$created_at, "%Y-%m-%d %H:%M:%S"),
    took = vapply(runs$seconds, format_seconds, ""), user = runs$user,
    tags = vapply(runs$tags, function(t) paste(t, collapse = ", "), "")
  )
  do.call(paste, c(lapply(names(columns), function(n) format(c(n, columns[[n]]))), sep = "  "))
}
