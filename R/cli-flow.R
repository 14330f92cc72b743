command_show <- function() {
  cli_command("show the graph", options = c(config_options(), list(
    cli_option("format", "text, mermaid, dot or json"), json_option()
  )), perform = function(flow, parsed, given) {
    flow <- with_config_values(flow, parsed$options)
    format <- if (isTRUE(parsed$options$json)) "json" else parsed$options$format %||% "text"
    if (!format %in% c("text", "mermaid", "dot", "json")) {
      usage_error(sprintf("Unknown format '%s'.", format), "Formats: text mermaid dot json.")
    }
    cat(graph_text(flow, format), "\n", sep = "")
    0L
  })
}

graph_text <- function(flow, format = "text") spec_text(flow_spec(flow), format)

spec_text <- function(spec, format) {
  width <- max(40L, cli::console_width())
  sub("\n+$", "", core_call("flows.show", spec = spec, format = format, unicode = cli::is_utf8_output(), width = width))
}

command_check <- function() {
  cli_command("look for problems without running", options = c(config_options(), list(json_option())), perform = function(flow, parsed, given) {
    flow <- with_config_values(flow, parsed$options)
    problems <- tryCatch(
      {
        core_call("flows.check", spec = flow_spec(flow), folder = python_folder(flow))
        NULL
      },
      metaflow_invalid_flow_error = identity
    )
    if (isTRUE(parsed$options$json)) {
      print_json(list(flow = flow$name, ok = is.null(problems), problems = problems$data %||% list()))
    } else if (is.null(problems)) {
      cat(flow$name, ": no problems, ", length(flow$steps), " steps.\n", sep = "")
    } else {
      cat(conditionMessage(problems), "\n", sep = "")
    }
    if (is.null(problems)) 0L else 1L
  })
}
