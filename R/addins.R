#' Addins of RStudio and Positron
#'
#' In the menu Addins, and in the command palette. They are about the script that is open in the editor, and save it before.
#'
#' * **Run flow** types `Rscript flow.R run` into a terminal, in the folder of the script.
#' * **Resume** types `Rscript flow.R resume`: the newest run goes on where it stopped.
#' * **Show graph** draws the flow of the script in the plots pane; nothing of it runs.
#'
#' A keyboard shortcut is given to them in Tools > Modify Keyboard Shortcuts. Beside them, TAB completes
#' names of flows, runs, steps, tasks and artifacts in `run$data$`, `run$steps$` and the others, see [mf_client()].
#' @name addins
#' @seealso [run()], [resume()], [`plot()`][plot.metaflow_flow]
NULL

# The addins of RStudio and Positron (inst/rstudio/addins.dcf). What they know of the editor is three functions, see
# open_editor(); all else is about a script, and works without one.

addin_run_flow <- function(editor = open_editor()) run_open_script(editor, "run")

addin_resume <- function(editor = open_editor()) run_open_script(editor, "resume")

# The script says what its graph is in a process of its own: nothing of it runs in the session that asks.
addin_show_graph <- function(editor = open_editor()) {
  script <- open_script(editor)
  shown <- processx::run(rscript(), c(basename(script), "show", "--format", "json"), wd = dirname(script), error_on_status = FALSE)
  if (shown$status != 0L) {
    mf_abort(sprintf("%s does not show its flow:\n%s", basename(script), trimws(shown$stderr)), "metaflow_invalid_flow_error",
      "Mend the script; Rscript flow.R check says what is wrong.")
  }
  structure <- tryCatch(parse_json(shown$stdout), error = function(e) NULL)
  if (is.null(structure$steps)) {
    mf_abort(sprintf("%s prints other things than its flow.", basename(script)), "metaflow_invalid_flow_error",
      "Does it end with run()? What it prints before that hides the graph.")
  }
  graph <- structure_cards(structure)
  on_new_page(draw_graph(graph, main = structure$flow))
  invisible(graph)
}

# What `show --format json` says (python/metaflow_core/graph/render/structure.py), as a graph to draw.
structure_cards <- function(structure) {
  fan_out <- stats::setNames(text_column(field_of(structure$steps, "fan_out")), text_column(field_of(structure$steps, "name")))
  cards <- lapply(structure$steps, function(step) {
    kind <- if (step$name %in% c("start", "end")) step$name else if (step$fan_out == "switch") "switch" else "step"
    notes <- c(if (isTRUE(step$join) && !grepl("join", step$name, ignore.case = TRUE)) "join", text_vector(field_of(step$decorators, "name")))
    list(name = step$name, lines = wrapped_notes(notes), kind = kind, depth = sum(fan_out[text_vector(step$splits)] == "foreach"), looks = "plain")
  })
  text <- function(name) vapply(structure$edges, function(edge) edge[[name]] %||% "", "")
  list(cards = stats::setNames(cards, names(fan_out)), arrows = data.frame(from = text("from"), to = text("to"), label = text("label")))
}

run_open_script <- function(editor, command) {
  script <- open_script(editor)
  line <- paste(shQuote(rscript()), shQuote(basename(script)), command)
  if (!is.null(editor$terminal)) return(invisible(editor$terminal(line, dirname(script))))
  # Without a terminal the console shows the lines as they come; Ctrl-C or Esc stops the run.
  done <- processx::run(rscript(), c(basename(script), command), wd = dirname(script), error_on_status = FALSE,
    stdout_callback = function(text, process) cat(text), stderr_callback = function(text, process) cat(text, file = stderr()))
  invisible(done$status)
}

# The saved script that is open; an error when it has no flow to run.
open_script <- function(editor) {
  path <- editor$path()
  if (!length(path) || !nzchar(path)) {
    mf_abort("No saved script is open.", "metaflow_usage_error", "Open the script of a flow, and save it when it is new.")
  }
  editor$save()
  path <- normalizePath(path.expand(path))
  if (!grepl("[.][Rr]$", path) || !makes_flow(path)) {
    mf_abort(sprintf("%s does not make a flow and run it.", basename(path)), "metaflow_usage_error",
      "Open a script that calls metaflow(\"MyFlow\") and ends with run(); mf_use_flow(\"name\") makes one.")
  }
  path
}

# Does it call metaflow() and run()? A script that cannot be parsed is run all the same: R says where its mistake is.
makes_flow <- function(path) {
  code <- tryCatch(parse(path, keep.source = FALSE), error = function(e) NULL)
  is.null(code) || all(c("metaflow", "run") %in% all.names(code))
}

# list(path, save, terminal): the path of the open script, save it, type a command into a terminal (NULL where there is none).
open_editor <- function() {
  # Named by a variable: the package is a part of the editors and nothing that is installed for this one.
  api <- "rstudioapi"
  if (!requireNamespace(api, quietly = TRUE) || !getExportedValue(api, "isAvailable")()) {
    mf_abort("This addin needs RStudio or Positron.", "metaflow_setup_error",
      "Elsewhere type Rscript flow.R run, Rscript flow.R resume or Rscript flow.R show in a terminal.")
  }
  call_api <- function(name, ...) getExportedValue(api, name)(...)
  list(
    path = function() call_api("getSourceEditorContext")$path,
    save = function() if (call_api("hasFun", "documentSave")) call_api("documentSave"),
    terminal = if (call_api("hasFun", "terminalExecute")) function(command, folder) call_api("terminalExecute", command, workingDir = folder)
  )
}
