layers_of <- function(...) {
  arrows <- do.call(rbind, strsplit(c(...), "->", fixed = TRUE))
  colnames(arrows) <- c("from", "to")
  graph_layers(unique(as.vector(t(arrows))), arrows)
}

layer_by_name <- function(layers) {
  real <- !is.na(layers$nodes$name)
  setNames(layers$nodes$layer[real], layers$nodes$name[real])
}

test_that("layers follow the longest way; an arrow that passes layers has a point in each", {
  layers <- layers_of("start->a", "a->b", "b->join", "start->join", "join->end")
  expect_equal(layer_by_name(layers), c(start = 1, a = 2, b = 3, join = 4, end = 5))
  long <- layers$links[[4]]
  expect_equal(layers$nodes$layer[long], 1:4)
  expect_equal(is.na(layers$nodes$name[long]), c(FALSE, TRUE, TRUE, FALSE))
})

test_that("an arrow that closes a circle is turned for the layout, and drawn as it is", {
  layers <- layers_of("start->a", "a->b", "b->start", "b->end")
  expect_equal(layer_by_name(layers), c(start = 1, a = 2, b = 3, end = 4))
  back <- layers$links[[3]]
  expect_identical(layers$nodes$name[back[c(1, length(back))]], c("b", "start"))
})

test_that("an arrow to itself is left out", {
  layers <- layers_of("start->start", "start->end")
  expect_length(layers$links, 1)
})

test_that("branches stand as they are written, and arrows do not cross when they need not", {
  layers <- layers_of("start->a", "start->b", "start->c", "c->z", "a->x", "b->y", "x->join", "y->join", "z->join")
  rank <- setNames(layers$nodes$rank, layers$nodes$name)
  expect_equal(unname(rank[c("a", "b", "c", "x", "y", "z")]), c(1, 2, 3, 1, 2, 3))
  pairs <- link_pairs(layers$nodes$layer, layers$links)
  expect_equal(crossings(layers$nodes$layer, pairs, layers$nodes$rank), 0)
})

test_that("places keep the rank and the gap, and runs of steps are in one line", {
  layers <- layers_of("start->a", "start->b", "a->each", "each->collect", "collect->join", "b->join", "join->end")
  n <- nrow(layers$nodes)
  at <- places_across(layers, rep(0.2, n), rep(0.3, n), gap = 0.1)
  for (l in unique(layers$nodes$layer)) {
    here <- which(layers$nodes$layer == l)
    expect_true(all(diff(at[here][order(layers$nodes$rank[here])]) >= 0.6 - 1e-6))
  }
  expect_equal(min(at), 0.2)
  place <- setNames(at, layers$nodes$name)
  expect_equal(unname(place[c("each", "collect")]), unname(place[c("a", "a")]))
  long <- layers$links[[6]]
  expect_lt(diff(range(at[long[-length(long)]])), 1e-6)
})

test_that("the rising sequence that is nearest is the mean of what is in the wrong order", {
  expect_equal(rising(c(1, 3, 2, 4), rep(1, 4)), c(1, 2.5, 2.5, 4))
  expect_equal(rising(c(3, 1), c(3, 1)), c(2.5, 2.5))
  expect_equal(rising(numeric(), numeric()), numeric())
})
