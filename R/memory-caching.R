#' Memoised steps
#'
#' @description
#' A task of a step with `decorator("cache")` that would do what an earlier one did is not run again: the results of
#' that one are taken over, and the task remembers whose they are. `run(cache = TRUE)`, on the command line
#' `run --cache`, memoises every step; `run(cache = FALSE)`, `--no-cache`, runs everything.
#'
#' @section When a task is taken over:
#'
#' While a task of a memoised step runs, everything that it looks at is noted: the functions and objects of the workspace that it
#' uses, on whatever way it finds them; the artifacts, parameters and inputs it reads; `self$input`; what it asks of
#' [current()]. An earlier task stands in for a new one when all that *it* had looked at is the same now, which is
#'
#' * `"code"`: the step's function with the values in its closure, the functions and objects that it used, S4 and reference
#'   classes, `RNGkind()`, and the order of the attached packages
#' * `"inputs"`: the artifacts and parameters that it read
#' * `"packages"`: versions of all packages that were loaded when it ended; R, platform, locale and time zone
#' * `"seed"`: that of the task, see [current()]
#'
#' `on` leaves some of these out: `decorator("cache", on = c("code", "inputs"))`. `expire = "7d"` limits how old
#' a result may be (`s`, `m`, `h`, `d`, `w`). What else was different does not count: an artifact that it did not read,
#' a function that it did not call, comments and layout, `retry` or `resources`. So a new value in a parameter runs those
#' tasks again that had read it, and a step whose inputs came out the same after all is taken over again.
#'
#' For a step in Python (see [python_steps]) the code is its function and all Python files that are kept with the run,
#' whether it imports them or not; packages are Python and all that is installed for it.
#'
#' A run with a memoised step and without `seed` has always the same seed, else no random number would ever be found
#' again.
#'
#' @section When not:
#'
#' A failed or caught task stands in for nothing, nor does one that asked for its own `run_id`, `task_id` or `pathspec`, one that
#' looked at other runs through [mf_client()], or one that used an object which cannot be compared, such as a
#' connection or a function compiled with Rcpp, or, in Python, imported code that is neither in the flow's folder nor installed.
#' Only tasks of the same flow in the namespace of the run are looked for.
#'
#' **Not known** is what a task reads beside R: files, databases, the web, the clock, environment variables other than those
#' of [environment_variables()]. Do not memoise a step that must notice a change there, or hand it over as an artifact:
#' `self$data_version <- tools::md5sum("data.csv")` in the step before, read by the memoised step.
#' @name caching
#' @seealso [mf_outdated()], [mf_why()]
#' @examples
#' fit <- function(self) self$model <- lm(dist ~ speed, data = self$cars)
#'
#' metaflow("CarsFlow") %>%
#'   step(step = "start", r_function = function(self) self$cars <- cars, next_step = "fit") %>%
#'   step(step = "fit", decorator("cache", expire = "7d"), r_function = fit, next_step = "end") %>%
#'   step(step = "end")
NULL
