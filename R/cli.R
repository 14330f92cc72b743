# The command line of a flow script: `Rscript flow.R COMMAND [words] [--options]`.
#
# `run()` at the end of the script calls `run_command_line()`. Parsing is strict: an unknown command or
# option never runs the flow. Exit status: 0 done, 1 the flow failed, 2 wrong usage, 130 interrupted.

run_command_line <- function(flow, given, arguments = utf8_text(commandArgs(TRUE))) {
  status <- tryCatch(
    perform_command(flow, parse_command(flow, arguments), given),
    metaflow_usage_error = function(e) exit_message(e, 2L),
    metaflow_parameter_error = function(e) exit_message(e, 2L),
    metaflow_error = function(e) exit_message(e, 1L),
    interrupt = function(e) 130L
  )
  if (!identical(as.integer(status), 0L)) quit(save = "no", status = as.integer(status))
  invisible(status)
}

exit_message <- function(e, status) {
  cat(paste0("Error: ", conditionMessage(e)), "\n", sep = "", file = stderr())
  status
}

# The exit status of a command, as an integer; that of a run carries the run.
perform_command <- function(flow, parsed, given) {
  command <- commands()[[parsed$command]]
  if (isTRUE(parsed$options$help)) {
    writeLines(command_help(flow, parsed$command))
    return(0L)
  }
  if (length(parsed$options$namespace) && !parsed$command %in% c("run", "resume")) {
    the$namespace <- list(if (nzchar(parsed$options$namespace)) parsed$options$namespace)
  }
  if (length(parsed$options$datastore_root)) the$metadata <- parsed$options$datastore_root
  command$perform(flow, parsed, given)
}

# One entry per command. `words`: what may follow it, for help; `options`: see cli_option().
commands <- function() {
  list(
    run = command_run(), resume = command_resume(), `retry-task` = command_retry_task(), show = command_show(), check = command_check(),
    logs = command_logs(), dump = command_dump(), package = command_package(), tag = command_tag(), list = command_list(),
    slurm = command_cluster("slurm", "Slurm"), kubernetes = command_cluster("kubernetes", "Kubernetes"), batch = command_cluster("batch", "AWS Batch"),
    help = command_help_entry(), version = command_version()
  )
}

cli_command <- function(about, perform, words = "", options = list(), parameters = FALSE) {
  list(about = about, perform = perform, words = words, options = c(options, common_options()), parameters = parameters)
}

# `kind`: "flag" (present or not), "value" (one), "many" (may be repeated), "pair" (a name and its value, may be repeated).
cli_option <- function(name, about, kind = "value", value = toupper(gsub("_", "-", name))) {
  list(name = name, about = about, kind = kind, value = if (kind == "flag") "" else value)
}

common_options <- function() {
  list(
    cli_option("namespace", "see runs of this namespace, as user:alice; \"\" sees all"),
    cli_option("datastore_root", "folder or address of the datastore", value = "PATH"),
    cli_option("help", "show this help", "flag")
  )
}

# Configurations have a say in what a flow is, so every command that looks at the flow takes them.
config_options <- function() {
  list(
    cli_option("config", "file of a configuration", "pair", "NAME FILE"),
    cli_option("config_value", "its values, as JSON", "pair", "NAME JSON")
  )
}

# --- parsing -------------------------------------------------------------------------------------

# list(command, words, options, parameters) of what was typed. Options may stand before the command.
parse_command <- function(flow, arguments) {
  command <- find_command(arguments)
  if (!is.null(command$at)) arguments <- arguments[-command$at]
  known <- commands()[[command$name]]
  accepted <- accepted_options(flow, known)
  parsed <- list(command = command$name, words = character(), options = list(), parameters = list())
  i <- 1L
  while (i <= length(arguments)) {
    word <- if (arguments[[i]] == "-h") "--help" else arguments[[i]]
    if (!startsWith(word, "--") || word == "--") {
      if (grepl("^-[A-Za-z]$", word)) usage_error(sprintf("Unknown option '%s'.", word), "Options begin with two dashes.")
      parsed$words <- c(parsed$words, word)
      i <- i + 1L
      next
    }
    name <- sub("=.*$", "", substring(word, 3L))
    option <- match_option(name, accepted, command$name, flow)
    if (grepl("=", word, fixed = TRUE)) {
      if (option$kind == "flag" && !isTRUE(option$parameter)) {
        usage_error(sprintf("Option '--%s' takes no value.", name), sprintf("Write --%s alone, or leave it out.", name))
      }
      value <- sub("^[^=]*=", "", word)
      i <- i + 1L
    } else if (option$kind == "flag") {
      value <- TRUE
      i <- i + 1L
    } else {
      if (option$kind == "pair") {
        if (i + 2L > length(arguments)) needs_pair(option)
        arguments[[i + 1L]] <- paste0(arguments[[i + 1L]], "=", arguments[[i + 2L]])
        arguments <- arguments[-(i + 2L)]
      }
      if (i == length(arguments)) usage_error(sprintf("Option '--%s' needs a value.", name), sprintf("Write --%s %s.", name, option$value))
      value <- arguments[[i + 1L]]
      i <- i + 2L
    }
    parsed <- record_option(parsed, option, value)
  }
  if (command$name %in% c("run", "show", "check", "list", "version") && length(parsed$words)) {
    usage_error(sprintf("Unknown word '%s' after '%s'.", parsed$words[[1]], command$name),
      did_you_mean(parsed$words[[1]], names(commands())) %||% sprintf("'%s' takes options only, as --help.", command$name))
  }
  parsed
}

# The first word that is no option, and no value of one, names the command.
find_command <- function(arguments) {
  if (!length(arguments)) return(list(name = "run", at = NULL))
  takes_value <- vapply(c(common_options()[1:2], config_options()), function(o) paste0("--", gsub("_", "-", o$name)), "")
  at <- 1L
  while (at <= length(arguments) && startsWith(arguments[[at]], "-")) {
    if (arguments[[at]] %in% c("--help", "-h")) return(list(name = "help", at = at))
    if (arguments[[at]] == "--version") return(list(name = "version", at = at))
    if (!arguments[[at]] %in% takes_value && !grepl("=", arguments[[at]], fixed = TRUE)) {
      # `Rscript flow.R --alpha 3` is a run.
      return(list(name = "run", at = NULL))
    }
    at <- at + if (grepl("=", arguments[[at]], fixed = TRUE)) 1L else if (startsWith(arguments[[at]], "--config")) 3L else 2L
  }
  if (at > length(arguments)) return(list(name = "run", at = NULL))
  name <- arguments[[at]]
  if (!name %in% names(commands())) {
    usage_error(sprintf("Unknown command '%s'.", name),
      did_you_mean(name, names(commands())) %||% paste0("Commands: ", paste(names(commands()), collapse = " "), "."))
  }
  list(name = name, at = at)
}

# Options of the command and, for those that start a run, the flow's parameters, which win.
accepted_options <- function(flow, command) {
  accepted <- command$options
  names(accepted) <- vapply(accepted, function(o) o$name, "")
  if (!command$parameters) return(accepted)
  for (p in Filter(Negate(is_config), flow$parameters)) {
    option <- cli_option(p$name, p$help %||% "", if (p$is_flag) "flag" else "value", if (is_included(p)) "FILE" else toupper(p$type %||% "value"))
    option$parameter <- TRUE
    accepted[[p$name]] <- option
  }
  accepted
}

match_option <- function(name, accepted, command, flow) {
  if (!is.null(accepted[[name]])) return(accepted[[name]])
  same <- gsub("-", "_", names(accepted)) == gsub("-", "_", name)
  if (any(same)) return(accepted[[which(same)[[1]]]])
  shown <- gsub("_", "-", names(accepted))
  if (command == "resume" && any(gsub("-", "_", names(flow$parameters)) == gsub("-", "_", name))) {
    usage_error(sprintf("'--%s' cannot be given to 'resume'.", name), "A resumed run has the parameters of its origin. Use run to change them.")
  }
  near <- nearest(gsub("_", "-", name), shown)
  usage_error(sprintf("Unknown option '--%s' of '%s'.", name, command),
    if (is.null(near)) sprintf("Rscript flow.R %s --help shows what there is.", command) else sprintf("Did you mean '--%s'?", near))
}

needs_pair <- function(option) {
  name <- gsub("_", "-", option$name)
  usage_error(sprintf("Option '--%s' needs a name and a value.", name), sprintf("Write --%s %s.", name, option$value))
}

record_option <- function(parsed, option, value) {
  if (isTRUE(option$parameter)) {
    parsed$parameters[option$name] <- list(value)
  } else if (option$kind == "pair") {
    if (!grepl("=", value, fixed = TRUE)) needs_pair(option)
    parsed$options[[option$name]][[sub("=.*$", "", value)]] <- sub("^[^=]*=", "", value)
  } else if (option$kind == "many") {
    parsed$options[[option$name]] <- c(parsed$options[[option$name]], value)
  } else {
    parsed$options[[option$name]] <- value
  }
  parsed
}

usage_error <- function(message, hint = NULL) mf_abort(message, "metaflow_usage_error", hint)

# The pathspec that a command was given as its only word: the flow's name may be left out.
typed_pathspec <- function(flow, words, command) {
  if (length(words) != 1L) {
    usage_error(sprintf("%s needs one run, step or task.", command),
      "Write RUN, RUN/STEP or RUN/STEP/TASK. Rscript flow.R list shows the runs.")
  }
  if (startsWith(words, paste0(flow$name, "/"))) words else paste(flow$name, words, sep = "/")
}
