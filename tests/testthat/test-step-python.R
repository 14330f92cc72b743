test_that("a py_function is a text that names a file or module, and its function", {
  flow <- metaflow("PyFlow")
  expect_snapshot(error = TRUE, {
    step(flow, step = "start", py_function = "steps.py", next_step = "end")
    step(flow, step = "start", py_function = function(self) NULL, next_step = "end")
    step(flow, step = "start", py_function = "steps.py:a", r_function = function(self) NULL, next_step = "end")
  })
})

test_that("all problems of Python functions are told at once, before anything runs", {
  local_flow_folder()
  writeLines(c("def good(self): pass", "def join(self): pass", "def gen(self):", "    yield 1"), "steps.py")
  writeLines(c("def broken(self)", "    pass"), "broken.py")
  flow <- metaflow("PyFlow") %>%
    step(step = "start", py_function = "step.py:good", next_step = c("a", "b", "c", "d", "e")) %>%
    step(step = "a", py_function = "steps.py:god", next_step = "join") %>%
    step(step = "b", py_function = "broken.py:broken", next_step = "join") %>%
    step(step = "c", py_function = "../other.py:f", next_step = "join") %>%
    step(step = "d", py_function = "no.such.module:f", next_step = "join") %>%
    step(step = "e", py_function = "steps.py:gen", next_step = "join") %>%
    step(step = "join", join = TRUE, py_function = "steps.py:join", next_step = "end") %>%
    step(step = "end", py_function = "json.decoder:JSONDecodeError")
  # What Python says of the missing colon depends on its version.
  expect_snapshot(error = TRUE, core_call("flows.check", spec = flow_spec(flow), folder = python_folder(flow)),
    transform = function(lines) sub("invalid syntax|expected ':'", "WORDS OF PYTHON", lines))
  expect_error(run(flow), class = "metaflow_invalid_flow_error")
  expect_length(list.files("store", recursive = TRUE), 0)
})

python_object <- function() {
  start_python()
  structure(
    list(type = "builtins.set", text = "{1, 2}", python = "3.11.2", packages = character(), pickle = as.raw(c(
      0x80, 0x04, 0x8f, 0x94, 0x28, 0x4b, 0x01, 0x4b, 0x02, 0x90, 0x2e
    ))),
    class = "metaflow_python_object", names = c("type", "text", "python", "packages", "pickle")
  )
}

test_that("a Python object says what it is, and reticulate can have it", {
  object <- python_object()
  expect_snapshot({
    object
    str(list(a = object))
    format(object)
  })
  expect_identical(as.character(as_python(object)), "{1, 2}")
  broken <- object
  broken$pickle <- as.raw(1)
  expect_error(as_python(broken), "cannot be rebuilt", class = "metaflow_artifact_error")
  expect_error(as_python(1), "needs a Python object", class = "metaflow_usage_error")
})

test_that("a flow typed in a session has its Python files beside it", {
  local_flow_folder()
  writeLines(c("def double(self):", "    self.y = [2 * x for x in self.x]"), "steps.py")
  flow <- metaflow("PyFlow") %>%
    step(step = "start", next_step = "double", r_function = function(self) self$x <- 1:3) %>%
    step(step = "double", py_function = "steps.py:double", next_step = "end") %>%
    step(step = "end", r_function = function(self) self$z <- sum(self$y))
  result <- run(flow)
  expect_identical(result$run$artifact("y"), c(2L, 4L, 6L))
  expect_identical(result$run$artifact("z"), 12L)
})

test_that("a flow of R steps starts no Python worker", {
  flow <- metaflow("RFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end")
  expect_null(python_worker(flow))
})
