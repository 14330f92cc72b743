test_that("what crosses comes back: texts of every alphabet, empty lists, nothing", {
  flow <- metaflow("EchoFlow") %>% step(step = "start", next_step = "end") %>% step(step = "end")
  flow$steps$start$next_step <- c("\u00fc\u4e16\U0001f600", "a \"b\"\\\n\tc")
  problems <- tryCatch(core_call("flows.check", spec = flow_spec(flow)), metaflow_invalid_flow_error = function(e) e$data)
  told <- paste(vapply(problems, function(p) p$message, ""), collapse = " ")
  expect_match(told, "'\u00fc\u4e16\U0001f600'", fixed = TRUE)
  expect_match(told, "a \"b\"\\\n\tc", fixed = TRUE)
})

test_that("an error of the core is an R condition of the same class, with hint and data, and no Python in it", {
  e <- tryCatch(core_call("flows.check", spec = list(format = 1L, name = "F", steps = list())), error = identity)
  expect_s3_class(e, c("metaflow_invalid_flow_error", "metaflow_error", "error", "condition"), exact = TRUE)
  expect_identical(e$data[[1]]$code, "no_steps")
  expect_null(conditionCall(e))
  expect_no_match(conditionMessage(e), "Traceback|[.]py")
})

test_that("an unknown method and a wrong argument are defects of ours, which say how to find them", {
  withr::local_envvar(METAFLOW_DEBUG = NA)
  expect_error(core_call("runs.fly"), class = "metaflow_internal_error")
  expect_snapshot(error = TRUE, {
    core_call("runs.fly")
    core_call("nothing.at_all")
    core_call("flows.check", nonsense = 1)
  })
})

test_that("METAFLOW_DEBUG=1 shows the Python traceback", {
  withr::local_envvar(METAFLOW_DEBUG = "1")
  expect_error(core_call("flows.check", nonsense = 1), "Traceback .*bridge.*__init__[.]py", class = "metaflow_internal_error")
})

test_that("messages begin with a capital, and keep their hint", {
  e <- tryCatch(raise_core_error(list(classes = list("metaflow_not_found_error", "metaflow_error"), message = "run 9 is not there", hint = "Newest: 3.", data = NULL)), error = identity)
  expect_identical(conditionMessage(e), "Run 9 is not there\nNewest: 3.")
  expect_identical(e$hint, "Newest: 3.")
})

test_that("an interrupt that arrived in Python is R's own interrupt", {
  expect_identical(tryCatch(raise_interrupt(), interrupt = function(e) "interrupted"), "interrupted")
})

test_that("two halves of different versions refuse each other", {
  said <- callr::r(function() {
    namespace <- asNamespace("metaflow")
    unlockBinding("package_version_text", namespace)
    assign("package_version_text", function() "9.9.9", envir = namespace)
    tryCatch(metaflow:::core_call("core.handshake", version = "9.9.9"), metaflow_setup_error = conditionMessage)
  })
  expect_match(said, "The R package is version 9.9.9, but the Python core is [0-9.]+[.]\nAnother metaflow_core was loaded before. Restart R.")
})

test_that("loading and attaching print nothing and start no Python", {
  said <- callr::r(function() {
    output <- utils::capture.output(messages <- utils::capture.output(library(metaflow), type = "message"))
    list(output, messages, python = "reticulate" %in% loadedNamespaces() && reticulate::py_available(initialize = FALSE))
  })
  expect_identical(said, list(character(), character(), python = FALSE))
})
