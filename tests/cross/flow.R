# One of the graph shapes of shapes.json, with the code of one case in its steps:
#
#   CROSS_SHAPE=foreach CROSS_CASE=merge Rscript flow.R run
#
# A case (cases/*.R) is a list of functions of (self, inputs), named by the positions of a graph they
# belong to. A step gets the first of its positions that the case has: its name, "start", "end",
# "foreach_join", "branch_join", "join", "foreach_split", "switch", "foreach_inner", "all". A case may also have
# `parameters(flow)`, which adds parameters, `decorators(step)`, a list of decorators, `arguments(step)`, further
# arguments of step(), and `changed(act)`: what the function of the step CROSS_CHANGE becomes.
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
  if (!is.null(step$foreach) || length(step[["next"]]) > 1 && is.null(step$switch)) around <- c(around, name)
  for (following in setdiff(unlist(step[["next"]]), name)) walk(following, around)
}
walk("start", character())

is_foreach <- function(name) !is.null(graph[[name]]$foreach)
is_switch <- function(name) !is.null(graph[[name]]$switch)
foreaches <- function(name) Filter(is_foreach, open[[name]])

positions <- function(step) {
  c(
    step$name,
    if (step$join) c(if (is_foreach(closes[[step$name]])) "foreach_join" else "branch_join", "join"),
    if (!is.null(step$foreach)) "foreach_split",
    if (!is.null(step$switch)) "switch",
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
note_in <- function(file, text) cat(paste0(text, "\n"), sep = "", file = file, append = TRUE)
note <- function(text) note_in("notes.log", text)

# Cases of a switch are numbers: its turn, and in a foreach as many more as its split has before it.
decisions <- unlist(lapply(graph, function(step) step$switch$condition))

decide <- function(self, step) {
  number <- if (is.null(self$index)) 0L else self$index
  for (name in decisions) {
    if (is.null(step$switch) || name != step$switch$condition) {
      self[[name]] <- NULL
    } else {
      # Nothing but an earlier turn of this step leaves a number.
      before <- if (name %in% names(self)) self[[name]]
      self[[name]] <- if (is.null(before)) min(number, length(step$switch$cases) - 1L) else before + 1L
    }
  }
}

case <- source(file.path("cases", paste0(Sys.getenv("CROSS_CASE"), ".R")))$value

step_function <- function(step) {
  act <- case[[intersect(positions(step), names(case))[[1]]]]
  if (step$name == Sys.getenv("CROSS_CHANGE")) act <- case$changed(act)
  act_here <- function(self, inputs) {
    decide(self, step)
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
    next_step = if (!is.null(one$switch)) one$switch$cases else if (length(one[["next"]])) unlist(one[["next"]]),
    condition = one$switch$condition, max_iterations = one$switch$max_iterations
  )
  flow <- do.call(step, c(given, if (!is.null(case$decorators)) case$decorators(one), if (!is.null(case$arguments)) case$arguments(one)))
}
run(flow)
