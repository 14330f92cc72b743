#' What a run did, used and needs
#'
#' One row for each step of a run. It prints with a time line, on which the height of the bar says how many tasks ran
#' side by side, and with what each step really needs.
#'
#' @param object A [run_client].
#' @param ... Ignored.
#' @return A data frame:
#'
#' * `step`, `status`; `tasks`: how many it has; of these `done`, and among those `caught` (failed, see [catch()]); `failed`;
#'   `cloned` (taken over from another run), and among those `cached` (because an earlier task did the same)
#' * `seconds`: from the start of its first task to the end of the last; `cpu_seconds`: that all of them together spent;
#'   tasks that were taken over are not counted
#' * `peak_memory_bytes`: of its largest task; `memory_p95_bytes`: 95 of 100 tasks needed no more
#' * `cpu_p95`: 95 of 100 tasks kept no more cores busy
#' * `stored_bytes`: artifacts that it made
#' * `cpu`, `memory`: what to ask for in [resources()], so that 95 of 100 tasks have enough: cores, and MB rounded up;
#'   `NA` where nothing was measured
#' * `asked_cpu`, `asked_memory`: what its decorators ask for now
#' @seealso [plot.metaflow_run_client()]
#' @export
#' @examples
#' \dontrun{
#' summary(run_client$new("TuneGbmFlow/latest_run"))
#' }
summary.metaflow_run_client <- function(object, ...) object$summary()

run_summary <- function(place) {
  rows <- browse_at(place, "summary")
  count <- function(row, ...) sum(as.integer(unlist(row$tasks[c(...)])))
  used <- field_of(rows, "usage")
  needed <- field_of(used, "suggested")
  asked <- field_of(used, "asked")
  table <- new_table(
    step = text_column(field_of(rows, "step")),
    status = text_column(lapply(rows, function(row) row$status %||% row$idle)),
    tasks = whole_column(field_of(rows, "total")),
    done = vapply(rows, count, 0L, "done", "caught"),
    caught = vapply(rows, count, 0L, "caught"),
    failed = vapply(rows, count, 0L, "failed", "lost"),
    cloned = vapply(rows, count, 0L, "cloned"),
    cached = vapply(used, function(row) as.integer(row$cached %||% 0L), 0L),
    seconds = vapply(rows, function(row) span_seconds(row$started_at, row$finished_at, identical(row$status, "running")), 0),
    cpu_seconds = number_column(field_of(used, "cpu_seconds")),
    peak_memory_bytes = number_column(field_of(used, "memory_max_bytes")),
    memory_p95_bytes = number_column(field_of(used, "memory_p95_bytes")),
    cpu_p95 = round(number_column(field_of(used, "cpu_p95")), 2),
    stored_bytes = number_column(field_of(used, "stored_bytes")),
    cpu = number_column(field_of(needed, "cpu")),
    memory = number_column(field_of(needed, "memory")),
    asked_cpu = number_column(field_of(asked, "cpu")),
    asked_memory = number_column(field_of(asked, "memory"))
  )
  structure(table, class = c("metaflow_run_summary", class(table)), run = run_facts(place), bars = run_bars(place))
}

# The attempts of this run on its time line, by their start.
run_bars <- function(place) {
  columns <- browse_at(place, "bars")
  data.frame(
    step = text_column(columns$step), task = text_column(columns$task), attempt = whole_column(columns$attempt),
    status = text_column(columns$status), started = number_column(columns$started_at), finished = number_column(columns$finished_at)
  )
}

#' @export
print.metaflow_run_summary <- function(x, ...) {
  run <- attr(x, "run")
  # A part of it is an ordinary table.
  if (is.null(run) || !all(c("step", "status", "tasks", "caught", "seconds", "cpu_p95", "memory") %in% names(x))) return(NextMethod())
  print_facts(headline("summary", run$pathspec, run$status), list(
    started = shown_span(run$created_at, run$finished_at, identical(run$status, "running")),
    tasks = summary_tasks(x), stored = format_bytes(sum(x$stored_bytes, na.rm = TRUE)),
    "cpu time" = if (any(!is.na(x$cpu_seconds))) format_seconds(sum(x$cpu_seconds, na.rm = TRUE))
  ))
  cat("\n")
  print_summary_steps(x, run)
  print_needs(x)
  invisible(x)
}

summary_tasks <- function(x) {
  parts <- c(done = sum(x$done - x$caught), caught = sum(x$caught), failed = sum(x$failed), running = sum(running_tasks(x)),
    "taken over" = sum(x$cloned) - sum(x$cached), cached = sum(x$cached))
  parts <- parts[parts > 0]
  paste0(sum(x$tasks), if (length(parts)) paste0(": ", paste(parts, names(parts), collapse = ", ")))
}

running_tasks <- function(x) x$tasks - x$done - x$failed - x$cloned

print_summary_steps <- function(x, run) {
  dash <- function(known, text) ifelse(is.na(known), "-", text)
  count <- function(n) ifelse(n > 0L, n, "")
  columns <- list(
    step = x$step, status = styled_status(x$status), tasks = paste(x$tasks), running = count(running_tasks(x)), failed = count(x$failed),
    caught = count(x$caught), cloned = count(x$cloned), cached = count(x$cached),
    time = dash(x$seconds, vapply(x$seconds, format_seconds, "")),
    cores = dash(x$cpu_p95, sprintf("%.1f", x$cpu_p95)),
    peak = dash(x$peak_memory_bytes, vapply(x$peak_memory_bytes, format_bytes, ""))
  )
  columns <- Filter(function(column) any(nzchar(column)), columns)
  wide <- function(columns) sum(vapply(names(columns), function(name) max(cli::ansi_nchar(c(name, columns[[name]]))), 0L) + 2L)
  for (name in c("cores", "status", "cached", "caught")) if (wide(columns) > cli::console_width()) columns[[name]] <- NULL
  room <- min(40L, cli::console_width() - wide(columns) - 3L)
  if (room >= 10L) columns <- c(columns, summary_line(x$step, attr(x, "bars"), run, room))
  print_table(columns)
}

# A column of bars, under a name that says from when to when they go.
summary_line <- function(steps, bars, run, room) {
  bars <- bars[bars$status != "cloned", ]
  if (!nrow(bars)) return(NULL)
  span <- bars_span(bars, run)
  busy <- lapply(steps, function(step) busy_cells(bars[bars$step == step, ], span, room))
  most <- max(unlist(busy))
  blocks <- if (cli::is_utf8_output()) strsplit("\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588", "")[[1]] else rep("#", 8L)
  lines <- vapply(busy, function(n) paste(c(" ", blocks)[1L + ceiling(8 * n / most)], collapse = ""), "")
  end <- format_seconds(span[[2]] - span[[1]])
  stats::setNames(list(lines), paste0("0 s", strrep(" ", max(1L, room - 3L - nchar(end))), end))
}

# From the first start to the last end; to now while it runs.
bars_span <- function(bars, run) {
  until <- if (identical(run$status, "running")) as.numeric(Sys.time()) else max(bars$finished, bars$started, na.rm = TRUE)
  from <- min(bars$started)
  c(from, max(until, from + 1e-3))
}

# How many tasks run in the middle of each of `count` cells of the time; one that is shorter has a cell all the same.
busy_cells <- function(bars, span, count) {
  n <- integer(count)
  per_cell <- (span[[2]] - span[[1]]) / count
  middle <- span[[1]] + per_cell * (seq_len(count) - 0.5)
  for (i in seq_len(nrow(bars))) {
    until <- if (is.na(bars$finished[[i]])) span[[2]] else bars$finished[[i]]
    inside <- bars$started[[i]] <= middle & middle < until
    n[inside] <- n[inside] + 1L
    cell <- min(count, 1L + floor((bars$started[[i]] - span[[1]]) / per_cell))
    if (!any(inside)) n[[cell]] <- max(n[[cell]], 1L)
  }
  n
}

print_needs <- function(x) {
  x <- x[!is.na(x$memory), ]
  if (!nrow(x)) return(invisible())
  asked <- vapply(seq_len(nrow(x)), function(i) {
    now <- c(cpu = x$asked_cpu[[i]], memory = x$asked_memory[[i]])
    now <- now[!is.na(now)]
    if (length(now)) paste(names(now), "=", format(now, trim = TRUE), collapse = ", ") else ""
  }, "")
  # One task that needed more than what is suggested for most is named.
  larger <- ifelse(x$peak_memory_bytes > x$memory * 1e6, vapply(x$peak_memory_bytes, format_bytes, ""), "")
  cat("\n", paste0(strwrap("What each step needs in resources(), memory in MB; 95 of 100 of its tasks used no more:", cli::console_width()), "\n"), sep = "")
  print_table(list(step = x$step, cpu = format(x$cpu, trim = TRUE), memory = format(x$memory, trim = TRUE), "asked now" = asked, largest = larger))
}
