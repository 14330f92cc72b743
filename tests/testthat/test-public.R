# What others rely on is a list, here, and compared with what is there; and the house rules of R/.

public_names <- c(
  # building a flow
  "%>%", "metaflow", "step", "parameter", "include_file", "step_decorator", "on_success", "on_failure", "mf_mermaid", "decorator", "retry", "catch", "timeout", "resources", "environment_variables",
  "batch", "kubernetes", "slurm",
  # inside a step
  "current", "gather_inputs", "merge_artifacts", "succeeded", "failed", "cfg", "as_python",
  # running
  "run", "resume", "mf_outdated", "mf_why",
  # browsing
  "mf_client", "mf_attach", "mf_debug", "mf_retry_task", "flow_client", "run_client", "step_client", "task_client", "new_flow", "new_run", "new_step", "new_task",
  "list_flows", "mf_runs", "mf_lineage", "mf_diff", "get_namespace", "set_namespace", "set_default_namespace", "get_metadata", "set_metadata",
  "reset_default_metadata", "reindex", "mf_gc", "mf_audit", "store_check", "store_copy",
  # files of users
  "mf_s3",
  # installing and settings
  "install_metaflow", "remove_metaflow_env", "version_info", "r_version", "metaflow_location", "container_image",
  "pull_tutorials", "mf_use_flow", "test", "config"
)

test_that("the public names are these, and no others", {
  expect_setequal(getNamespaceExports("metaflow"), public_names)
})

test_that("every public name is documented", {
  pages <- tools::Rd_db("metaflow")
  skip_if(length(pages) == 0, "installed without help")
  aliases <- unlist(lapply(pages, function(page) {
    vapply(Filter(function(part) attr(part, "Rd_tag") == "\\alias", page), function(part) paste(unlist(part), collapse = ""), "")
  }))
  expect_identical(setdiff(public_names, gsub("\\\\%", "%", aliases)), character())
})

test_that("arguments of files and configurations are those of the contract", {
  expect_identical(names(formals(include_file)), c("flow", "name", "required", "help", "default", "is_text", "parser"))
  expect_identical(names(formals(config)), c("flow", "name", "default", "parser", "required", "help"))
})

test_that("arguments of the public verbs are those of the contract, in their order", {
  arguments <- function(f) names(formals(f))
  expect_identical(arguments(metaflow), c("cls", "..."))
  expect_identical(arguments(step), c(
    "flow", "...", "step", "r_function", "foreach", "join", "next_step", "condition", "max_iterations", "on_error", "min_success",
    "py_function"
  ))
  expect_identical(arguments(parameter), c("flow", "parameter", "required", "help", "separator", "default", "type", "is_flag"))
  expect_identical(arguments(decorator), c("x", "..."))
  expect_identical(arguments(retry), c("times", "minutes_between_retries", "on", "memory", "..."))
  expect_identical(arguments(catch), c("var", "print_exception"))
  expect_identical(arguments(timeout), c("seconds", "minutes", "hours"))
  expect_identical(arguments(resources), c("cpu", "gpu", "memory", "..."))
  expect_identical(arguments(gather_inputs), c("inputs", "input"))
  expect_identical(arguments(merge_artifacts), c("flow", "inputs", "exclude", "include"))
  expect_identical(arguments(current), "value")
  expect_identical(arguments(run), c("flow", "..."))
})

test_that("every option of run() has a rule or is looked at by itself", {
  expect_setequal(c(names(run_option_rules), "with", "other_args"), run_options)
})

test_that("options of the command line are options of run()", {
  typed <- vapply(c(command_run()$options, command_resume()$options), function(o) o$name, "")
  # In R, `detach` takes either.
  expect_identical(setdiff(sub("^no_", "", typed), c(run_options, "detach_with", "help")), character())
})

# --- both sides ----------------------------------------------------------------------------------

core_file <- function(...) paste(readLines(system.file("python", "metaflow_core", ..., package = "metaflow", mustWork = TRUE), warn = FALSE), collapse = "\n")

all_matches <- function(pattern, text) unique(unlist(regmatches(text, gregexpr(pattern, text, perl = TRUE))))

# Class names that R code of the package writes: in mf_abort(), tryCatch(), inherits().
classes_in_r <- function() {
  namespace <- asNamespace("metaflow")
  functions <- Filter(is.function, mget(ls(namespace, all.names = TRUE), envir = namespace))
  sort(all_matches("metaflow_[a-z_]+_error\\b", paste(unlist(lapply(functions, deparse)), collapse = "\n")))
}

r_only_classes <- c(
  "metaflow_attribute_error", "metaflow_merge_error", "metaflow_run_error", "metaflow_setup_error", "metaflow_worker_error",
  "metaflow_artifact_error", "metaflow_task_error"
)

task_classes <- c(
  "metaflow_timeout_error", "metaflow_quit_error", "metaflow_crash_error", "metaflow_oom_error", "metaflow_backend_error"
)

test_that("error classes are the same on both sides", {
  of_core <- all_matches("(?<=r_class = \")metaflow_[a-z_]+(?=\")", core_file("errors.py"))
  expect_identical(setdiff(classes_in_r(), c(of_core, r_only_classes, task_classes)), character())
  expect_identical(setdiff(r_only_classes, classes_in_r()), character())
  expect_setequal(all_matches("metaflow_[a-z]+_error(?=\")", core_file("engine", "cause.py")), task_classes)
})

test_that("each class of the core arrives as an R condition of that class, with those above it", {
  source <- core_file("errors.py")
  for (class in all_matches("(?<=r_class = \")metaflow_[a-z_]+(?=\")", source)) {
    e <- tryCatch(raise_core_error(list(classes = list(class, "metaflow_error"), message = "x", hint = "", data = NULL)), error = identity)
    expect_s3_class(e, unique(c(class, "metaflow_error", "error", "condition")), exact = TRUE)
  }
})

test_that("names that self takes for itself are reserved in the graph, and no others", {
  reserved <- all_matches("(?<=RESERVED_NAMES = frozenset\\(\\{)[^}]*", core_file("graph", "names.py"))
  expect_setequal(all_matches("[a-z_]+", reserved), self_reserved)
})

test_that("parameter types are the same on both sides", {
  types <- all_matches("(?<=PARAMETER_TYPES = \\()[^)]*", core_file("graph", "parameter.py"))
  expect_setequal(all_matches("[a-z]+", types), parameter_types)
})

test_that("the table of decorators that R reads is the core's own", {
  skip_on_cran()
  printed <- processx::run(find_python(), c("-m", "metaflow_core.decorators"), wd = system.file("python", package = "metaflow"), env = c("current", PYTHONDONTWRITEBYTECODE = "1"))$stdout
  expect_identical(decorator_table(), parse_json(printed))
})

test_that("methods that R calls exist in the core", {
  namespace <- asNamespace("metaflow")
  functions <- Filter(is.function, mget(ls(namespace, all.names = TRUE), envir = namespace))
  code <- paste(unlist(lapply(functions, deparse)), collapse = "\n")
  called <- all_matches("(?<=core_call\\(\")[a-z_.]+(?=\")", code)
  expect_gt(length(called), 4)
  for (method in setdiff(called, "core.handshake")) {
    # Without arguments a method that exists complains about them.
    said <- tryCatch(core_call(method), metaflow_error = conditionMessage)
    expect_false(any(grepl("has no method", said)), info = method)
  }
})

# --- house rules: they look at the sources, which an installed package does not have --------------

source_files <- function() {
  folder <- test_path("..", "..", "R")
  skip_if_not(file.exists(file.path(folder, "metaflow-package.R")), "the sources are not here")
  list.files(folder, "[.]R$", full.names = TRUE)
}

test_that("reticulate is used by the bridge and the installation only", {
  users <- Filter(function(file) any(grepl("reticulate::", sub("#.*$", "", readLines(file)), fixed = TRUE)), source_files())
  expect_identical(setdiff(basename(users), c("bridge.R", "bridge-python.R", "install.R")), character())
})

test_that("no file is a drawer: each is named after what it is about", {
  names <- sub("[.]R$", "", basename(source_files()))
  expect_identical(grep("(^|-)(utils?|helpers?|common|misc|manager|base|functions)(-|$)", names, value = TRUE), character())
  expect_identical(grep("^[a-z]+(-[a-z]+)*$", names, value = TRUE, invert = TRUE), character())
})

test_that("each file of R/ has a test file of its name", {
  # What these say is seen by the tests of others.
  untested <- c("metaflow-package", "operators", "worker-fork", "worker-warm", "install", "client-facts", "settings")
  names <- sub("[.]R$", "", basename(source_files()))
  tests <- sub("^test-(.*)[.]R$", "\\1", list.files(test_path(), "^test-"))
  expect_identical(setdiff(names, c(tests, untested)), character())
})

test_that("functions are short, lines fit, and code that a worker runs loads neither Python nor globals", {
  for (file in source_files()) {
    lines <- readLines(file)
    expect_lte(max(nchar(lines)), 190, label = basename(file))
    expect_lte(length(lines), 350, label = basename(file))
  }
  worker <- grep("/(worker.*|self|inputs|current|artifact-.*)[.]R$", source_files(), value = TRUE)
  for (file in worker) expect_false(any(grepl("reticulate::|globals::|core_call\\(", readLines(file))), label = basename(file))
})
