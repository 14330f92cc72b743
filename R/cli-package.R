# `package list`: the files that a run keeps of its flow's folder; `package save DIR` copies them.
command_package <- function() {
  cli_command("list or save the files that are kept with a run", words = "list | save DIR", options = list(
    cli_option("run_id", "those of this run (default: what a run of now would keep)", value = "ID"), json_option()
  ), perform = function(flow, parsed, given) {
    action <- if (length(parsed$words)) parsed$words[[1]] else usage_error("package needs an action.", "Actions: list save.")
    if (!action %in% c("list", "save")) usage_error(sprintf("Unknown action '%s' of package.", action), did_you_mean(action, c("list", "save")) %||% "Actions: list save.")
    if (length(parsed$words) != if (action == "save") 2L else 1L) {
      usage_error(sprintf("package %s takes %s.", action, if (action == "save") "one folder" else "no words"),
        if (action == "save") "Write Rscript flow.R package save DIR." else "Give the run by --run-id.")
    }
    id <- parsed$options$run_id
    package <- if (is.null(id)) package_of_now(flow) else package_of_run(flow, id)
    if (action == "list") list_package(package, isTRUE(parsed$options$json)) else package$save(parsed$words[[2]])
    0L
  })
}

package_of_now <- function(flow) {
  if (is.null(flow$script)) mf_abort("This flow was made in a session, not by a script: it has no folder to keep.", "metaflow_usage_error")
  found <- core_call("flows.package", settings = settings_request(), script = flow$script)
  for (text in found$left_out) message("Warning: ", text)
  table <- data.frame(
    file = text_column(field_of(found$files, "name")), bytes = number_column(field_of(found$files, "size_bytes")), stringsAsFactors = FALSE
  )
  paths <- text_column(field_of(found$files, "path"))
  list(table = table, save = function(dir) {
    target <- code_folder(dir)
    if (length(list.files(target))) mf_abort(sprintf("'%s' is not empty.", dir), "metaflow_usage_error", "Name a folder that is new or empty.")
    for (i in seq_along(paths)) {
      to <- file.path(target, table$file[[i]])
      dir.create(dirname(to), recursive = TRUE, showWarnings = FALSE)
      file.copy(paths[[i]], to)
    }
    code_extracted(dir, paths)
  })
}

package_of_run <- function(flow, id) {
  code <- run_client$new(paste(flow$name, sub("^.*/", "", id), sep = "/"))$code
  list(table = code$list(), save = function(dir) code$extract(dir))
}

list_package <- function(package, json) {
  table <- package$table
  if (json) return(print_json(lapply(seq_len(nrow(table)), function(i) as.list(table[i, ]))))
  sizes <- formatC(vapply(table$bytes, format_bytes, ""), width = 8L)
  put_lines(sprintf("%s  %s", sizes, table$file))
}
