#' Why was a task run, or not
#'
#' Compares a task of a [memoised step][caching] with the nearest earlier one, as it was found when the run began.
#'
#' @param pathspec A task: `"Flow/12/fit/7"`, or its client.
#' @return A list of class `metaflow_why`, which prints as sentences: `pathspec`; `taken_over`, TRUE or FALSE; `than`, the task that it
#'   was taken over from or compared with, `NULL` when there was none; `differs`, a named list with what was different: `code`,
#'   `inputs`, `packages`, `seed`, each the names of what differed, and `other`; `forgotten`, why no later task will be able to
#'   take it over, or `NULL`.
#' @export
#' @seealso [mf_outdated()], which tells before a run
#' @examples
#' \dontrun{
#' mf_why("CarsFlow/12/fit/2")
#' mf_why("CarsFlow/12/fit/2")$differs
#' }
mf_why <- function(pathspec) {
  place <- find_place("task", pathspec)
  facts <- task_facts_of(place)
  memo <- facts$memo
  structure(
    list(
      pathspec = place$pathspec, taken_over = !is.null(facts$origin), than = facts$origin %||% memo$why$than,
      differs = differences_of(memo$why), forgotten = memo$forgotten, reason = why_reason(facts, memo)
    ),
    class = "metaflow_why"
  )
}

difference_kinds <- c("code", "inputs", "packages", "seed")

differences_of <- function(why) {
  found <- lapply(why[intersect(difference_kinds, names(why))], text_vector)
  other <- c(
    if (isTRUE(why$settings)) "how the step is set up (its decorators, foreach or condition)",
    if (isTRUE(why$expired)) "it is older than 'expire' allows",
    if (!is.null(why$namespace)) sprintf("it is not in the namespace %s", why$namespace),
    if (isTRUE(why$gone)) "its stored results are gone",
    why$problem
  )
  c(found, if (length(other)) list(other = other))
}

# The sentence for a task that was compared with none.
why_reason <- function(facts, memo) {
  if (isTRUE(facts$cached)) return("Code, inputs, packages and seed are those of an earlier task.")
  if (!is.null(facts$origin)) return("The run that was resumed had finished it.")
  if (!facts$memoised) return("Its step is not memoised; see ?caching.")
  if (isTRUE(memo$why$first)) return("No earlier task of this step is remembered.")
  if (is.null(memo$why)) return("It was not looked for an earlier task.")
  NULL
}

#' @export
print.metaflow_why <- function(x, ...) {
  lines <- if (x$taken_over) sprintf("%s was taken over from %s.", x$pathspec, x$than) else sprintf("%s was run.", x$pathspec)
  lines <- c(lines, x$reason, difference_lines(x$differs, x$than))
  if (!is.null(x$forgotten)) lines <- c(lines, sprintf("No later task can take it over: %s.", x$forgotten))
  put_lines(lines)
  invisible(x)
}

difference_lines <- function(differs, than) {
  if (!length(differs)) return(NULL)
  head <- if (is.null(than)) "Different is" else sprintf("What is different from %s:", than)
  labels <- formatC(names(differs), width = -max(nchar(names(differs))))
  c(head, sprintf("  %s  %s", labels, vapply(differs, shown_names, "")))
}
