#' Steps in Python
#'
#' A step may be a Python function: `step(step = "train", py_function = "steps.py:train", ...)`. The file
#' stands beside the script or below it and travels with the flow; what stands beside it can be imported.
#' `"package.module:train"` names a function of a module beside the script or of an installed package.
#' The step runs in a Python process of its own, the Python that metaflow itself uses (`METAFLOW_PYTHON`,
#' else the environment of [install_metaflow()], else the system's), and needs no package by itself.
#'
#' ```python
#' from metaflow_core import current
#'
#' def train(self):                      # in a join: def pick(self, inputs)
#'     table = self.cells.to_pandas()    # what R assigned as self$cells
#'     print("run", current.run_id)
#'     self.score = float(table["x"].mean())
#' ```
#'
#' * `self.x` reads an artifact or parameter, `self.x = value` makes one, `self["my.x"]` is for names that
#'   Python cannot write. A list or dict that the step changes in place is kept, too.
#' * `self.input`, `self.index`, `self.foreach_stack()`, as in R.
#' * In a join: `inputs.a.x` after a branch, `inputs[0].x` after a foreach (Python counts from 0),
#'   `for i in inputs`; `self.merge_artifacts(inputs)`.
#' * Decorators, resume, logs and the client do not know the difference. An exception is shown with its class,
#'   message and call stack, and is an R condition for `catch()` and the client.
#'
#' @section Values:
#' R stores artifacts with its own serializer; Python steps read and write those very bytes.
#'
#' | R | Python |
#' |---|---|
#' | `NULL` | `None` |
#' | one `TRUE`, `1L`, `1`, `"a"` | `bool`, `int`, `float`, `str`; a missing one is `NA` |
#' | a vector of several | `list`; missing elements are `None` |
#' | a list, a list with names | `list`, `dict` |
#' | raw | `bytes` |
#' | factor | `Factor`: a list of texts with `levels` |
#' | Date, POSIXct, difftime | `date`, `datetime` with its time zone, `timedelta` |
#' | data frame, tibble, data.table | `RDataFrame`: `frame["x"]`, `.rows()`, `.to_pandas()`, `.to_arrow()`; any library that speaks Arrow takes it |
#' | matrix, array | a NumPy array (where NumPy is installed), masked where whole numbers are missing |
#' | anything else: models, functions, environments | `RObject`, which can be passed on and comes back `identical()` |
#'
#' What Python assigns is, in R: `None` `NULL`; numbers, texts and lists of them vectors (`None` among them is `NA`);
#' other lists and dicts lists; a whole number beyond 32 bits a double where that is exact; a pandas, polars or
#' pyarrow table a data frame; an array an array. Whatever else Python has, as a fitted scikit-learn model, is an
#' object of class `metaflow_python_object` in R: it prints what it is, can be passed on, and [as_python()] gives it to
#' reticulate. The next Python step reads exactly what the last one assigned.
#'
#' @name python_steps
NULL

check_py_function <- function(py_function, r_function, where) {
  if (is.null(py_function)) return(invisible())
  if (!is.null(r_function)) {
    mf_abort(sprintf("%s has an r_function and a py_function.", where), "metaflow_invalid_flow_error", "Give one of them.")
  }
  if (is_string(py_function) && grepl("^[^:]+:[A-Za-z_][A-Za-z0-9_.]*$", py_function)) return(invisible())
  mf_abort(sprintf("py_function of %s must name a Python function, but is %s.", where, shown_value(py_function)),
    "metaflow_invalid_flow_error", "Write py_function = \"steps.py:train\", or \"package.module:train\".")
}

has_python_steps <- function(flow) any(vapply(flow$steps, function(s) !is.null(s$py_function), FALSE))

# Where the files are that steps in Python name.
python_folder <- function(flow) if (is.null(flow$script)) getwd() else dirname(flow$script)

# What starts a Python worker; nothing for a flow that has no use for one.
python_worker <- function(flow) {
  if (!has_python_steps(flow)) return(NULL)
  list(executable = core_python(), folder = file.path(normalizePath(tempdir()), "metaflow-code"))
}

#' Python objects in R
#'
#' What a step in Python assigned that has no meaning in R, as a scikit-learn model, is an object of class
#' `metaflow_python_object` in R. It can be printed and passed on to other artifacts, as it is.
#' `as_python()` makes the Python object of it in this session, by means of reticulate. The packages that
#' it belongs to must be installed in the Python of the session.
#'
#' @param x The object, from an artifact.
#' @return A Python object of reticulate, not converted to R.
#' @export
#' @examples
#' \dontrun{
#' model <- run_client$new("TrainFlow/3")$artifact("model")
#' model
#' as_python(model)$predict(cells)
#' }
as_python <- function(x) {
  if (!inherits(x, "metaflow_python_object")) {
    mf_abort(sprintf("as_python() needs a Python object of a step, not %s.", shown_value(x)), "metaflow_usage_error",
      "Other values are R's own; r_to_py() of reticulate converts them.")
  }
  unpickle(x$pickle, sprintf("The Python object %s", x$type), x$packages)
}

#' @export
print.metaflow_python_object <- function(x, ...) {
  put_lines(c(
    sprintf("<python object> %s", x$type),
    if (nzchar(x$text)) paste0("  ", strsplit(x$text, "\n", fixed = TRUE)[[1]]),
    sprintf("  made by Python %s%s, %s; as_python() makes it usable here", x$python,
      if (length(x$packages)) paste0(" with ", paste(x$packages, collapse = ", ")) else "", format_bytes(length(x$pickle)))
  ))
  invisible(x)
}

#' @export
format.metaflow_python_object <- function(x, ...) sprintf("<python object %s>", x$type)

#' @importFrom utils str
#' @export
str.metaflow_python_object <- function(object, ...) cat(" ", format(object), "\n", sep = "")
