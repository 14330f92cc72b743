arguments_of <- function(x) x$arguments

test_that("typed helpers and decorator() make the same decorators", {
  expect_identical(decorator("retry", times = 2, minutes_between_retries = 0), retry(times = 2, minutes_between_retries = 0))
  expect_identical(decorator("catch", var = "e", print_exception = TRUE), catch(var = "e"))
  expect_identical(decorator("timeout", seconds = 5, minutes = 0, hours = 0), timeout(seconds = 5))
  expect_identical(decorator("resources", cpu = 2, memory = 4000), resources(cpu = 2, memory = 4000))
  expect_identical(decorator("batch", cpu = 2, queue = "q"), batch(cpu = 2, queue = "q"))
  expect_identical(decorator("kubernetes", cpu = 2, image = "i"), kubernetes(cpu = 2, image = "i"))
  expect_identical(decorator("slurm", partition = "p"), slurm(partition = "p"))
})

test_that("arguments that were not given are left to the core", {
  expect_identical(arguments_of(resources(cpu = 1)), list(cpu = 1))
  expect_identical(arguments_of(catch()), list(print_exception = TRUE))
  expect_identical(arguments_of(decorator("retry")), list())
})

test_that("the slides' titus and growing waits are understood", {
  expect_identical(arguments_of(decorator("titus", memory = 60000, cpu = 4)), list(memory = 60000, cpu = 4))
  expect_identical(arguments_of(retry(times = 3, minutes_between_retries = c(0, 1, 5)))$minutes_between_retries, c(0, 1, 5))
})

test_that("every decorator of the table can be made by its name and aliases", {
  for (name in names(decorator_table())) {
    expect_s3_class(decorator(name), "metaflow_decorator")
    for (alias in unlist(decorator_table()[[name]]$aliases)) expect_s3_class(decorator(alias), "metaflow_decorator")
  }
})

test_that("environment variables are text", {
  made <- environment_variables(OMP_NUM_THREADS = 4, NAME = "a b", FLAG = TRUE)
  expect_identical(parse_json(json(decorator_spec(made)))$args, list(OMP_NUM_THREADS = "4", NAME = "a b", FLAG = "TRUE"))
})

test_that("wrong arguments are refused when the decorator is made", {
  expect_snapshot(error = TRUE, {
    retry(times = -1)
    retry(times = "three")
    retry(times = 1.5)
    retry(times = NA)
    retry(times = c(1, 2))
    retry(times = Inf)
    retry(times = integer())
    retry(tiems = 3)
    retry(minutes_between_retries = -1)
    retry(minutes_between_retries = "5")
    timeout(seconds = -1)
    timeout(seconds = "10")
    catch(var = 1)
    catch(print_exception = "no")
    resources(cpu = 0)
    resources(cpu = "all")
    resources(memory = -5)
    resources(cups = 2)
    resources(cpu = TRUE)
    environment_variables("a")
    environment_variables(A = "x", "y")
    environment_variables(A = mean)
    environment_variables(A = c("x", "y"))
    kubernetes(image_pull_policy = "Sometimes")
    batch(qeue = "x")
    batch(num_parallel = 2)
    slurm(ssh_key_file = "~/.ssh/id")
  })
  expect_error(retry(times = -1), class = "metaflow_invalid_flow_error")
})

test_that("wrong uses of decorator() itself are refused", {
  expect_snapshot(error = TRUE, {
    decorator()
    decorator(1)
    decorator(c("retry", "catch"))
    decorator(NA_character_)
    decorator("retyr")
    decorator("Retry")
    decorator("retry", 3)
    decorator("retry", times = 1, 3)
    decorator("retry", times = 1, times = 2)
  })
})

test_that("an unknown decorator far from all known ones waits for the core, which may have an extension", {
  far <- decorator("my_company_gpu_pool", size = 3)
  expect_s3_class(far, "metaflow_decorator")
  expect_identical(decorator_spec(far), list(name = "my_company_gpu_pool", args = list(size = 3)))
})

test_that("a decorator of steps cannot stand at a flow", {
  expect_snapshot(error = TRUE, metaflow("F", retry(times = 1)))
})

test_that("decorators print as they are written", {
  expect_snapshot({
    retry(times = 3, minutes_between_retries = c(0, 1, 5))
    catch()
    decorator("titus", memory = 60000, cpu = 4)
    decorator("retry")
    environment_variables(A = "x", B = 2)
    timeout(minutes = 10)
    resources(cpu = 4)
  })
})

test_that("arguments cross to the core with their shape", {
  args <- function(x) parse_json(json(decorator_spec(x)))$args
  expect_identical(args(retry(times = 1, minutes_between_retries = 1)), list(times = 1L, minutes_between_retries = 1L))
  expect_identical(args(retry(times = 2, minutes_between_retries = c(0, 0.5))), list(times = 2L, minutes_between_retries = list(0L, 0.5)))
  expect_identical(args(decorator("retry")), structure(list(), names = character()))
  expect_identical(args(kubernetes(secrets = c("a", "b"), labels = list(team = "x"))), list(secrets = list("a", "b"), labels = list(team = "x")))
})

test_that("what single arguments cannot show is told with the other problems of the flow", {
  flow <- metaflow("F") %>%
    step(step = "start", timeout(), catch(var = "not a name"), environment_variables(`1A` = "x"), next_step = "end") %>%
    step(step = "end", catch(var = "input"))
  expect_snapshot(error = TRUE, core_call("flows.check", spec = flow_spec(flow)))
})

test_that("both languages accept and refuse the same arguments", {
  accepted_in_core <- function(decorator, arguments) {
    spec <- flow_spec(metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end"))
    spec$steps[[1]]$decorators <- list(list(name = decorator, args = decorator_arguments(arguments)))
    tryCatch(core_call("flows.check", spec = spec)$flow == "F", metaflow_invalid_flow_error = function(e) FALSE)
  }
  accepted_here <- function(decorator, arguments) {
    tryCatch(inherits(new_decorator(decorator, arguments), "metaflow_decorator"), metaflow_invalid_flow_error = function(e) FALSE)
  }
  cases <- list(
    list("retry", list(times = 0)), list("retry", list(times = 1.5)), list("retry", list(times = "1")), list("retry", list(times = c(1, 2))),
    list("retry", list(minutes_between_retries = c(0, 0.5))), list("retry", list(minutes_between_retries = c(0, -1))),
    list("resources", list(cpu = 0.5, memory = 100)), list("resources", list(cpu = 0)), list("resources", list(gpu = 0)),
    list("batch", list(swappiness = 100, max_swap = 0)), list("batch", list(swappiness = 101)), list("batch", list(image = 1)),
    list("kubernetes", list(image_pull_policy = "Always")), list("kubernetes", list(image_pull_policy = "always")),
    list("kubernetes", list(secrets = "a")), list("kubernetes", list(secrets = c("a", "b"))), list("kubernetes", list(labels = list(a = "b"))),
    list("kubernetes", list(labels = "b")), list("kubernetes", list(tolerations = list(list(key = "a"), list(key = "b")))),
    list("kubernetes", list(node_selector = c(disk = "ssd"))), list("kubernetes", list(node_selector = "disk=ssd")),
    list("environment_variables", list(A = "b", C = "d")), list("environment_variables", list(A = c("b", "c"))),
    list("catch", list(print_exception = TRUE)), list("catch", list(print_exception = 1)), list("timeout", list(seconds = 1, nonsense = 2))
  )
  for (case in cases) {
    expect_identical(accepted_here(case[[1]], case[[2]]), accepted_in_core(case[[1]], case[[2]]), info = json(case))
  }
})

test_that("--with text becomes decorators, and is checked the same", {
  from <- function(with) decorators_from_option(with)
  expect_identical(from("retry"), list(decorator_spec(decorator("retry"))))
  expect_identical(from("retry:times=2"), list(list(name = "retry", args = list(times = 2L))))
  expect_identical(from(c("retry:times=2,minutes_between_retries=0", "catch:var=e")), list(
    list(name = "retry", args = list(times = 2L, minutes_between_retries = 0L)), list(name = "catch", args = list(var = "e"))
  ))
  expect_identical(from("kubernetes:image=registry:5000/a/b:1.0")[[1]]$args$image, "registry:5000/a/b:1.0")
  expect_identical(from("catch:print_exception=FALSE")[[1]]$args$print_exception, FALSE)
  expect_identical(from(retry(times = 2, minutes_between_retries = 0)), list(list(name = "retry", args = list(times = 2, minutes_between_retries = 0))))
  expect_identical(from(list("retry", catch(var = "e")))[[2]]$name, "catch")
  expect_identical(from(NULL), list())
  expect_snapshot(error = TRUE, {
    from("retyr")
    from("retry:tmies=2")
    from("retry:times=many")
    from("retry:2")
    from("retry:times")
    from("")
    from(3)
    from("resources:cpu=2,memory=-1")
  })
})
