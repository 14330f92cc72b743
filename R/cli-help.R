command_help_entry <- function() {
  cli_command("show what the flow and its commands can do", words = "[COMMAND]", perform = function(flow, parsed, given) {
    topic <- if (length(parsed$words)) parsed$words[[1]] else NULL
    if (!is.null(topic) && !topic %in% names(commands())) {
      usage_error(sprintf("Unknown command '%s'.", topic), did_you_mean(topic, names(commands())))
    }
    writeLines(if (is.null(topic)) flow_help(flow) else command_help(flow, topic))
    0L
  })
}

command_version <- function() {
  cli_command("show versions", options = list(json_option()), perform = function(flow, parsed, given) {
    versions <- c(metaflow = package_version_text(), R = r_version())
    if (isTRUE(parsed$options$json)) print_json(as.list(versions))
    else writeLines(paste(format(names(versions)), versions))
    0L
  })
}

json_option <- function() cli_option("json", "print JSON", "flag")

flow_help <- function(flow) {
  script <- basename(flow$script %||% "flow.R")
  entries <- commands()
  c(
    sprintf("%s: %s. Usage: Rscript %s [COMMAND] [OPTIONS]", flow$name, count_of(length(flow$steps), "step"), script),
    "", "Commands:",
    sprintf("  %s  %s", format(names(entries)), vapply(entries, function(e) e$about, "")),
    if (length(flow$parameters)) c("", "Parameters (of run):", parameter_lines(flow)),
    "", sprintf("Rscript %s COMMAND --help shows the options of a command.", script)
  )
}

command_help <- function(flow, name) {
  entry <- commands()[[name]]
  script <- basename(flow$script %||% "flow.R")
  labels <- vapply(entry$options, option_label, "")
  c(
    sprintf("%s: %s.", name, entry$about),
    sprintf("Usage: Rscript %s %s %s[OPTIONS]", script, name, if (nzchar(entry$words)) paste0(entry$words, " ") else ""),
    if (entry$parameters && length(flow$parameters)) c("", "Parameters:", parameter_lines(flow)),
    "", "Options:",
    sprintf("  %s  %s", format(labels), vapply(entry$options, function(o) o$about, ""))
  )
}

option_label <- function(option) trimws(sprintf("--%s %s", gsub("_", "-", option$name), option$value))

parameter_lines <- function(flow) {
  labels <- vapply(flow$parameters, parameter_label, "")
  notes <- vapply(flow$parameters, function(p) {
    default <- if (is.function(p$default)) "computed" else if (is_cfg(p$default)) paste("default", format(p$default))
      else if (!is.null(p$default)) paste("default", shown_default(p)) else if (p$required) "required"
    paste(c(p$help, if (!is.null(default)) paste0("[", default, "]")), collapse = " ")
  }, "")
  trimws(sprintf("  %s  %s", format(unname(labels)), unname(notes)), "right")
}

parameter_label <- function(p) {
  if (is_config(p)) return(sprintf("--config %s FILE", p$name))
  trimws(sprintf("--%s %s", p$name, if (is_included(p)) "FILE" else if (p$is_flag) "" else toupper(p$type %||% "value")))
}

# A default as it would be typed, where that is short.
shown_default <- function(p) {
  if (inherits(p$default, "Date")) return(paste(format(p$default), collapse = p$separator %||% " "))
  if (!is.null(p$separator) && is.atomic(p$default)) return(one_line(paste(p$default, collapse = p$separator)))
  one_line(p$default)
}
