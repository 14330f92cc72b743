test_that("why says what a task was compared with, and what differed", {
  folder <- local_flow_folder()
  write_flow(folder, '
    options(metaflow.command_line = FALSE)
    k <- 1
    flow <- metaflow("WhyFlow") %>%
      parameter("alpha", default = 1) %>%
      step(step = "start", decorator("cache"), next_step = "ask", r_function = function(self) self$x <- self$alpha + k) %>%
      step(step = "ask", decorator("cache"), next_step = "end", r_function = function(self) self$id <- current("run_id")) %>%
      step(step = "end")
    run(flow)
    run(flow)
    k <- 2
    run(flow, alpha = 3, seed = 7)
  ')
  run_flow_well(folder)
  expect_snapshot({
    mf_why("WhyFlow/1/start/1")
    mf_why("WhyFlow/2/start/1")
    mf_why("WhyFlow/3/start/1")
    mf_why("WhyFlow/3/ask/2")
    mf_why(task_client$new("WhyFlow/3/end/3"))
  })
  why <- mf_why("WhyFlow/3/start/1")
  expect_identical(why$than, "WhyFlow/1/start/1")
  expect_identical(why$differs[c("code", "inputs")], list(code = "k", inputs = "alpha"))
  expect_error(mf_why("WhyFlow/3"), class = "metaflow_invalid_pathspec_error")
})

test_that("each reason is a sentence", {
  expect_identical(differences_of(list(than = "F/1/a/1", expired = TRUE)), list(other = "it is older than 'expire' allows"))
  expect_identical(differences_of(list(first = TRUE)), list())
  expect_match(differences_of(list(settings = TRUE))$other, "decorators")
  expect_identical(outdated_reason(list(tasks = 2L, current = 1L, memoised = TRUE, why = list(than = "F/1/a", code = list("f", "g"), seed = list("1 -> 2")))),
    "code: f, g; seed: 1 -> 2")
})
