# One of the graph shapes of shapes.json, with the code of one case in its steps:
#
#   CROSS_SHAPE=foreach CROSS_CASE=merge Rscript flow.R run
#
# A case (cases/*.R) is a list of functions of (self, inputs), named by the positions of a graph they
# belong to. A step gets the first of its positions that the case has: its name, "start", "end",
# "foreach_join", "branch_join", "join", "foreach_split", "foreach_inner", "all". A case may also have
# `parameters(flow)`, which adds parameters, and `decorators(step)`, a list of decorators.
library(metaflow)

shapes <- jsonlite::fromJSON("shapes.json", simplifyVector = FALSE)
shape <- Filter(function(shape) shape$name == Sys.getenv("CROSS_SHAPE"), shapes)[[1]]
graph <- stats::setNames(shape$steps, vapply(shape$steps, function(step) step$name, ""))
splits <- lapply(shape$splits, function(split) list(var = split$var, values = as.character(unlist(split$values))))

# The splits that are open around each step, outermost first; `closes` is the one that a join closes.
open <- list()
closes <- list()
walk <- function(name, around) {
  step <- graph[[name]]
  if (step$join) {
    closes[[name]] <<- utils::tail(around, 1)
    around <- utils::head(around, -1)
  }
  open[[name]] <<- around
  if (!is.null(step$foreach) || length(step[["next"]]) > 1) around <- c(around, name)
  for (following in step[["next"]]) walk(following, around)
}
walk("start", character())

is_foreach <- function(name) !is.null(graph[[name]]$foreach)
foreaches <- function(name) Filter(is_foreach, open[[name]])

positions <- function(step) {
  c(
    step$name,
    if (step$join) c(if (is_foreach(closes[[step$name]])) "foreach_join" else "branch_join", "join"),
    if (!is.null(step$foreach)) "foreach_split",
    if (length(foreaches(step$name))) "foreach_inner",
    "all"
  )
}

# "inner[1][0]", as the engine calls it.
place <- function(self) {
  indices <- vapply(self$foreach_stack(), function(frame) frame$index, 0L)
  paste0(current("step_name"), paste(sprintf("[%d]", indices), collapse = ""))
}

# One write, so that the lines of tasks side by side stay whole.
note <- function(text) cat(paste0(text, "\n"), sep = "", file = "notes.log", append = TRUE)

case <- source(file.path("cases", paste0(Sys.getenv("CROSS_CASE"), ".R")))$value

step_function <- function(step) {
  act <- case[[intersect(positions(step), names(case))[[1]]]]
  act_here <- function(self, inputs) {
    if (!is.null(step$foreach)) self[[step$foreach]] <- splits[[step$name]]$values
    act(self, inputs)
  }
  if (step$join) function(self, inputs) act_here(self, inputs) else function(self) act_here(self, NULL)
}

flow <- metaflow("CrossFlow")
if (!is.null(case$parameters)) flow <- case$parameters(flow)
for (one in shape$steps) {
  given <- list(
    flow,
    step = one$name, r_function = step_function(one), foreach = one$foreach, join = one$join,
    next_step = if (length(one[["next"]])) unlist(one[["next"]])
  )
  flow <- do.call(step, c(given, if (!is.null(case$decorators)) case$decorators(one)))
}
run(flow)
