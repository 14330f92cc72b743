#' A flow as a Mermaid diagram
#'
#' Text that GitHub, Quarto and many other tools draw as a graph: in a README between ` ```mermaid ` and ` ``` `, in a
#' Quarto document in a `{mermaid}` chunk.
#'
#' @param x A flow, from [metaflow()], or a [run_client].
#' @return One string that prints as it is.
#' @seealso [plot.metaflow_flow()]; `Rscript flow.R show --format mermaid` prints the same
#' @export
#' @examples
#' \dontrun{
#' flow <- metaflow("HelloFlow") %>%
#'   step(step = "start", next_step = "end") %>%
#'   step(step = "end")
#' mf_mermaid(flow)
#' writeLines(mf_mermaid(flow), "flow.mmd")
#' }
mf_mermaid <- function(x) {
  spec <- if (inherits(x, "metaflow_run_client")) browse_at(client_place(x), "spec") else {
    check_flow_value(x, "mf_mermaid")
    flow_spec(x)
  }
  structure(spec_text(spec, "mermaid"), class = "metaflow_text")
}

#' @export
print.metaflow_text <- function(x, ...) {
  cat(x, "\n", sep = "")
  invisible(x)
}
