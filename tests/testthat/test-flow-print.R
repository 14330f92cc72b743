test_that("a flow prints its steps, where they go, and its parameters", {
  expect_snapshot({
    metaflow("EmptyFlow")
    metaflow("OneStep") %>% step(step = "start", next_step = "end")
    metaflow("TrainFlow") %>%
      parameter("alpha", default = 0.1, help = "learning rate") %>%
      parameter("path", required = TRUE) %>%
      parameter("features", separator = ",", default = "a,b") %>%
      parameter("verbose", is_flag = TRUE, help = "say more") %>%
      parameter("day", type = "date", default = function(context) Sys.Date()) %>%
      step(step = "start", next_step = c("grid", "other")) %>%
      step(step = "grid", foreach = "values", next_step = "fit") %>%
      step(step = "fit", retry(times = 2), decorator("titus", memory = 60000, cpu = 4), next_step = "join_fits") %>%
      step(step = "join_fits", join = TRUE, next_step = "join") %>%
      step(step = "other", next_step = "join", environment_variables(OMP_NUM_THREADS = 4)) %>%
      step(step = "join", join = TRUE, next_step = "end") %>%
      step(step = "end")
    metaflow("SwitchFlow") %>%
      step(step = "start", next_step = list(yes = "a", no = "b"), condition = "ok") %>%
      step(step = "a", next_step = "end") %>%
      step(step = "b", next_step = "end") %>%
      step(step = "end")
  })
})

test_that("printing a flow returns it invisibly and starts no Python", {
  flow <- metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end")
  capture.output(expect_invisible(returned <- print(flow)))
  expect_identical(returned, flow)
  started <- callr::r(function() {
    library(metaflow)
    flow <- metaflow("F") %>% step(step = "start", next_step = "end") %>% step(step = "end")
    utils::capture.output(print(flow))
    "reticulate" %in% loadedNamespaces() && reticulate::py_available(initialize = FALSE)
  })
  expect_false(started)
})
