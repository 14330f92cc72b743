test_that("mf_mermaid() gives one string that prints as it is, of a flow and of a run of it", {
  flow <- metaflow("MermaidFlow") %>%
    step(step = "start", next_step = list(more = "start", done = "fit"), condition = "what", r_function = function(self) self$what <- "done") %>%
    step(step = "fit", next_step = "end") %>%
    step(step = "end")
  expect_snapshot(mf_mermaid(flow))
  expect_length(mf_mermaid(flow), 1)
  expect_snapshot(error = TRUE, mf_mermaid("MermaidFlow"))
})

test_that("a run still has the graph that it was made of", {
  local_browsed()
  expect_match(mf_mermaid(run_client$new("ShopFlow/1")), 's0 -- "foreach items" --> s1')
})
