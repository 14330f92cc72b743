test_that("a card per step, with the foreach that are open while it runs", {
  flow <- metaflow("F") %>%
    step(step = "start", foreach = "xs", next_step = "outer") %>%
    step(step = "outer", foreach = "ys", next_step = "inner") %>%
    step(step = "inner", next_step = c("a", "b")) %>%
    step(step = "a", next_step = "near") %>%
    step(step = "b", next_step = "near") %>%
    step(step = "near", join = TRUE, next_step = "inner_join") %>%
    step(step = "inner_join", join = TRUE, next_step = "outer_join") %>%
    step(step = "outer_join", join = TRUE, next_step = "end") %>%
    step(step = "end")
  graph <- graph_cards(flow$steps)
  expect_equal(vapply(graph$cards, function(card) card$depth, 0L),
    c(start = 0L, outer = 1L, inner = 2L, a = 2L, b = 2L, near = 2L, inner_join = 1L, outer_join = 0L, end = 0L))
  expect_identical(graph$arrows$label[1:3], c("foreach xs", "foreach ys", ""))
})

test_that("the same comes of what a run keeps of its flow", {
  flow <- metaflow("F") %>%
    step(step = "start", next_step = list(yes = "a", no = "end", perhaps = "a", more = "start"), condition = "ok") %>%
    step(step = "a", foreach = "xs", next_step = "each") %>%
    step(step = "each", next_step = "all") %>%
    step(step = "all", join = TRUE, next_step = "end") %>%
    step(step = "end")
  graph <- graph_cards(flow$steps)
  expect_identical(graph_cards(spec_steps(parse_json(json(flow_spec(flow))))), graph)
  expect_identical(graph$arrows$label[1:3], c("yes, perhaps", "no", "more"))
  expect_identical(graph$cards$start$kind, "start")
})

test_that("a transition to a step that does not exist has a card, too", {
  graph <- graph_cards((metaflow("F") %>% step(step = "start", next_step = "nowhere"))$steps)
  expect_identical(graph$cards$nowhere[c("kind", "lines")], list(kind = "missing", lines = "no such step"))
})

test_that("long names are broken where words end", {
  expect_identical(wrapped_name("short"), "short")
  expect_identical(wrapped_name("download_the_raw_measurements"), c("download_the_raw_", "measurements"))
  expect_identical(wrapped_name("prepareReferenceDistribution"), c("prepareReference", "Distribution"))
  expect_identical(wrapped_name(strrep("x", 40)), c(strrep("x", 18), strrep("x", 18), "xxxx"))
  expect_identical(paste(wrapped_name("a_name.with__all_Kinds.ofThings2Split"), collapse = ""), "a_name.with__all_Kinds.ofThings2Split")
})
