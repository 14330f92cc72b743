# What print(flow) shows: each step with where it goes. It needs no Python.
print_flow <- function(flow) {
  cat("<flow> ", flow$name, ": ", count_of(length(flow$steps), "step"),
    if (length(flow$parameters)) paste0(", ", count_of(length(flow$parameters), "parameter")), "\n", sep = "")
  names_padded <- format(names(flow$steps) %||% character())
  for (i in seq_along(flow$steps)) writeLines(trimws(paste0("  ", names_padded[[i]], "  ", step_line(flow$steps[[i]])), "right"))
  if (length(flow$parameters)) cat("Parameters:\n", paste0(parameter_lines(flow), "\n"), sep = "")
}

count_of <- function(n, what) sprintf("%d %s%s", n, what, if (n == 1) "" else "s")

step_line <- function(step) {
  goes <- if (!length(step$next_step)) "" else if (!is.null(step$cases)) {
    sprintf("-> by '%s': %s", step$condition, paste(names(step$cases), unlist(step$cases), sep = " = ", collapse = ", "))
  } else {
    paste("->", paste(step$next_step, collapse = ", "))
  }
  notes <- c(
    if (step$join) "join", if (!is.null(step$foreach)) sprintf("for each of '%s'", step$foreach),
    vapply(step$decorators, format_decorator, "")
  )
  trimws(paste0(goes, if (length(notes)) paste0("  [", paste(notes, collapse = "; "), "]")))
}
