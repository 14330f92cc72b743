# A workspace of a user: an environment in the place of globalenv().
workspace_of <- function(code) {
  workspace <- new.env(parent = globalenv())
  eval(substitute(code), workspace)
  workspace
}

test_that("functions of the workspace are captured, whether or not a step reaches them", {
  workspace <- workspace_of({
    helper <- function() other()
    other <- function() 1
    called_by_name <- function() 2
    `%+%` <- function(a, b) a
    print.thing <- function(x, ...) x
    .hidden <- function() 3
  })
  expect_setequal(names(captured_globals(character(), workspace)), c("helper", "other", "called_by_name", "%+%", "print.thing", ".hidden"))
})

test_that("small data are captured, large data only when a step reaches them", {
  workspace <- workspace_of({
    small <- 1:10
    large <- rnorm(1e6)
    reached <- rnorm(1e6)
  })
  expect_setequal(names(captured_globals(character(), workspace)), "small")
  expect_setequal(names(captured_globals("reached", workspace)), c("small", "reached"))
})

test_that("what belongs to the session stays there", {
  workspace <- workspace_of({
    .Random.seed <- 1:3
    .Last.value <- 1
    .First <- function() stop("not again")
    .Last <- function() stop("not again")
    flow <- metaflow::metaflow("F")
    con <- textConnection("x")
    keep <- 1
  })
  withr::defer(close(workspace$con))
  expect_setequal(names(captured_globals(character(), workspace)), "keep")
})

test_that("bindings that fail or cost when they are looked at do no harm", {
  workspace <- workspace_of({
    delayedAssign("broken", stop("never look"))
    makeActiveBinding("moving", function() stop("never look"), environment())
    keep <- 1
  })
  expect_setequal(names(captured_globals(character(), workspace)), "keep")
})

test_that("data are reached through other functions, defaults, formulas and calls by name", {
  workspace <- workspace_of({
    deep <- 1
    helper <- function(x = default_value) middle(x)
    middle <- function(x) x + deep
    default_value <- 2
    start <- function(self) helper()
  })
  reached <- reached_names(workspace$start, workspace)
  expect_true(all(c("helper", "middle", "deep") %in% reached))
})

test_that("code that defeats analysis does not stop the capture", {
  odd <- eval(quote(function(self) {
    `my odd` <- 1
    x[[1]]$y@z <- 2
    for (i in a) function(...) ..1
    ~ .x + .y
    quote(if (a) b)
    eval(parse(text = "c"))
    `if`(TRUE, 1)
  }), globalenv())
  expect_type(reached_names(odd, globalenv()), "character")
  expect_identical(reached_names(sum, globalenv()), character())
})

test_that("large objects warn with their name and size", {
  large <- rnorm(3e5)
  expect_snapshot(warn_large(list(globals = list(lookup = large, small = 1), functions = list())))
  fit <- local({
    training <- rnorm(3e5)
    function(self) training
  })
  expect_snapshot(warn_large(list(globals = list(), functions = list(fit = fit))))
  start <- local(function(self) 1, new.env(parent = globalenv()))
  expect_no_warning(warn_large(list(globals = list(helper = function() 1, small = 1:1000), functions = list(start = start))))
})

test_that("sizes are shown in the units of storage", {
  expect_identical(format_bytes(0), "0 B")
  expect_identical(format_bytes(999), "999 B")
  expect_identical(format_bytes(1000), "1 kB")
  expect_identical(format_bytes(1234567), "1.2 MB")
  expect_identical(format_bytes(45e6), "45 MB")
  expect_identical(format_bytes(5e9), "5 GB")
  expect_identical(format_bytes(NA), "?")
  expect_identical(format_bytes(NULL), "?")
})

test_that("classes of all kinds, closures with state, environments of helpers and masks travel", {
  folder <- local_flow_folder()
  writeLines(c("area <- function(r) PI_OF_FILE * r^2", "PI_OF_FILE <- 3"), file.path(folder, "geometry.R"))
  write_flow(folder, '
    setClass("Shape", representation(name = "character", "VIRTUAL"))
    setClass("Circle", contains = "Shape", representation(r = "numeric"), validity = function(object) if (object@r < 0) "negative radius" else TRUE)
    setGeneric("surface", function(shape, ...) standardGeneric("surface"))
    setMethod("surface", "Circle", function(shape, ...) 3 * shape@r^2)
    setMethod("show", "Circle", function(object) cat("<circle of", object@r, ">\\n"))
    setMethod("+", signature("Circle", "Circle"), function(e1, e2) new("Circle", name = "sum", r = e1@r + e2@r))
    setMethod("length", "Circle", function(x) 99L)
    Base <- R6::R6Class("Base", public = list(hello = function() "base"))
    Derived <- R6::R6Class("Derived", inherit = Base, public = list(hello = function() paste("derived of", super$hello())))
    Stack <- setRefClass("Stack", fields = list(items = "list"), methods = list(push = function(x) { items[[length(items) + 1]] <<- x }, size = function() length(items)))
    counter <- local({ n <- 0; function() { n <<- n + 1; n } })
    counter()
    geometry <- new.env()
    sys.source("geometry.R", geometry)
    mean <- function(x) "masked"
    T <- 0
    .secret <- "s"
    memo <- new.env()
    memo$seen <- 1
    even <- function(n) if (n == 0) TRUE else odd(n - 1)
    odd <- function(n) if (n == 0) FALSE else even(n - 1)
    settings <- list(rate = 0.5)
    build <- function(rate) {
      offset <- 10
      metaflow("TravelFlow") %>%
        step(step = "start", next_step = "middle", r_function = function(self) {
          circle <- new("Circle", name = "c", r = 2)
          print(circle)
          self$surface <- surface(circle)
          self$sum <- (circle + circle)@r
          self$length <- length(circle)
          self$valid <- tryCatch(new("Circle", name = "c", r = -1), error = function(e) "refused")
          self$is <- is(circle, "Shape")
          self$circle <- circle
          self$hello <- Derived$new()$hello()
          stack <- Stack$new()
          stack$push(1)
          self$size <- stack$size()
          self$counted <- counter()
          self$area <- geometry$area(2)
          self$masked <- mean(1)
          self$T_is <- T
          self$secret <- .secret
          memo$seen <- 2
          self$even <- even(10)
          self$inner <- c(rate, offset)
          self$rate <- settings$rate
        }) %>%
        step(step = "middle", next_step = "end", r_function = function(self) {
          self$seen <- memo$seen
          self$counted_again <- counter()
          self$circle_again <- self$circle@r
          self$globals <- ls(globalenv())
        }) %>%
        step(step = "end")
    }
    run(build(0.25))
  ')
  done <- run_flow_well(folder)
  expect_match(done$stdout, "<circle of 2 >", fixed = TRUE)
  run <- flow_client$new("TravelFlow")$latest_run
  names_wanted <- c("surface", "sum", "length", "valid", "is", "hello", "size", "counted", "area", "masked", "T_is", "secret", "even", "inner", "rate", "seen", "counted_again", "circle_again")
  expect_identical(lapply(stats::setNames(nm = names_wanted), run$artifact), list(
    surface = 12, sum = 4, length = 99L, valid = "refused", is = TRUE, hello = "derived of base", size = 1L, counted = 2, area = 12,
    masked = "masked", T_is = 0, secret = "s", even = TRUE, inner = c(0.25, 10), rate = 0.5, seen = 1, counted_again = 2, circle_again = 2
  ))
  # The task's workspace holds what the user's did, and nothing of ours.
  expect_length(setdiff(run$artifact("globals"), c(
    "Base", "Derived", "Stack", "T", "build", "counter", "even", "geometry", "mean", "memo", "odd", "settings", "surface"
  )), 0)
})

test_that("attached packages are attached in the task in the same order, large objects warn, unused ones stay behind", {
  folder <- local_flow_folder()
  write_flow(folder, '
    library(stats4)
    suppressMessages(library(splines))
    used <- rnorm(2e5)
    unused <- rnorm(1e7)
    metaflow("AttachFlow") %>%
      step(step = "start", next_step = "end", r_function = function(self) {
        self$search <- grep("^package:", search(), value = TRUE)
        self$length <- length(used)
        self$unused <- exists("unused")
        self$loaded <- "reticulate" %in% loadedNamespaces()
      }) %>%
      step(step = "end") %>%
      run()
    writeLines(grep("^package:", search(), value = TRUE), "search")
  ')
  done <- run_flow_well(folder)
  expect_match(done$stderr, "global object 'used' is 1.6 MB", fixed = TRUE)
  expect_no_match(done$stderr, "unused")
  run <- flow_client$new("AttachFlow")$latest_run
  expect_identical(run$artifact("search"), readLines(file.path(folder, "search")))
  expect_identical(run$artifact("length"), 200000L)
  expect_false(run$artifact("unused"))
  expect_false(run$artifact("loaded"))
})

test_that("a package that the task cannot load ends the run with one clear message", {
  folder <- local_flow_folder()
  write_flow(folder, '
    attach(list(), name = "package:onlyHere")
    metaflow("MissingFlow") %>% step(step = "start", next_step = "end", r_function = function(self) 1) %>% step(step = "end") %>% run()
  ')
  done <- run_flow(folder)
  expect_identical(done$status, 1L)
  expect_match(done$stdout, "package 'onlyHere'.* cannot be loaded")
  expect_match(done$stdout, "install.packages(\"onlyHere\")", fixed = TRUE)
  expect_length(grep("cannot be loaded", done$lines), 1)
  expect_identical(flow_client$new("MissingFlow")$latest_run$status, "failed")
})

test_that("a step that names no object of the workspace reaches none, whatever way it might name one", {
  f <- function(self, n = number) {
    self$x[1] <- helper(n)
    lapply(1, function(q) deep + q)
    names(self$y) <- "a"
    if (self$a %op% 1) `odd name` else NULL
  }
  workspace <- new.env(parent = globalenv())
  environment(f) <- workspace
  expect_true(names_nothing(f, workspace))
  for (name in c("number", "helper", "deep", "names<-", "%op%", "odd name", "q", "self")) {
    assign(name, 1, envir = workspace)
    expect_false(names_nothing(f, workspace), info = name)
    rm(list = name, envir = workspace)
  }
  assign("another", 1, envir = workspace)
  expect_true(names_nothing(f, workspace))
  expect_identical(reached_names(f, workspace), character())
})

test_that("a function with an environment of its own is looked through", {
  workspace <- workspace_of({
    helper <- function() 1
    start <- local({
      between <- function() helper()
      function(self) between()
    })
  })
  expect_false(names_nothing(workspace$start, workspace))
  expect_true("helper" %in% reached_names(workspace$start, workspace))
})

test_that("what is attached otherwise than as a package may reach the workspace", {
  attached <- list2env(list(f = function() 1))
  attach(attached, name = "something of the user's", warn.conflicts = FALSE)
  withr::defer(detach("something of the user's", character.only = TRUE))
  f <- function(self) 1
  environment(f) <- globalenv()
  expect_false(names_nothing(f, globalenv()))
})
