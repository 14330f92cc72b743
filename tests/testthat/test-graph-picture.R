# What is drawn is tested as geometry; that it is drawn, by every device, in test-flow-plot.R.

picture_of <- function(flow, direction) {
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graphics::plot.new()
  graph <- graph_cards(flow$steps)
  for (s in flow$steps) graph$cards[[s$name]]$lines <- flow_card_lines(s)
  graph_picture(graph, direction)
}

box_area <- function(box) {
  c(box$x - box$wide / 2, box$y - box$high / 2 - box$behind, box$x + box$wide / 2 + box$behind, box$y + box$high / 2)
}

label_area <- function(label) c(label$x - label$half[[1]], label$y - label$half[[2]], label$x + label$half[[1]], label$y + label$half[[2]])

drawn_flows <- function() {
  long <- metaflow("LongNames") %>%
    step(step = "start", next_step = c("download_the_raw_measurements", "prepareReferenceDistribution", "x")) %>%
    step(step = "download_the_raw_measurements", foreach = "measurement_stations", next_step = "clean_and_normalise_each_station") %>%
    step(resources(cpu = 4), retry(times = 2), step = "clean_and_normalise_each_station", next_step = "collect_all") %>%
    step(step = "collect_all", join = TRUE, next_step = "compare_with_reference") %>%
    step(step = "prepareReferenceDistribution", next_step = "compare_with_reference") %>%
    step(step = "x", next_step = "compare_with_reference") %>%
    step(step = "compare_with_reference", join = TRUE, next_step = "end") %>%
    step(step = "end")
  switches <- metaflow("Switches") %>%
    step(step = "start", next_step = list(small = "end", large = "train", other = "middle"), condition = "size") %>%
    step(step = "train", next_step = list(again_and_again = "train", good = "middle", bad = "end"), condition = "verdict") %>%
    step(step = "middle", next_step = "end") %>%
    step(step = "end")
  wide <- metaflow("Wide") %>% step(step = "start", next_step = paste0("model_", 1:9))
  for (i in 1:9) wide <- wide %>% step(step = paste0("model_", i), next_step = "join")
  wide <- wide %>% step(step = "join", join = TRUE, next_step = "end") %>% step(step = "end")
  list(long = long, switches = switches, wide = wide)
}

test_that("no card lies on another, no label on a card or another label, and all of it is on the paper", {
  flows <- drawn_flows()
  for (name in names(flows)) {
    for (direction in c("right", "down")) {
      picture <- picture_of(flows[[name]], direction)
      areas <- c(lapply(picture$boxes, box_area), lapply(picture$labels, label_area))
      pairs <- utils::combn(length(areas), 2)
      on_each_other <- apply(pairs, 2, function(p) overlaps(areas[[p[[1]]]], areas[[p[[2]]]]))
      expect_false(any(on_each_other), label = paste(name, direction, paste(pairs[, on_each_other], collapse = " ")))
      corners <- do.call(rbind, areas)
      expect_true(all(corners[, 1] > picture$left, corners[, 2] > picture$top))
      expect_true(all(corners[, 3] < picture$left + picture$width, corners[, 4] < picture$top + picture$height))
    }
  }
})

test_that("words fit on their cards", {
  picture <- picture_of(drawn_flows()$long, "right")
  grDevices::pdf(NULL)
  withr::defer(grDevices::dev.off())
  graphics::plot.new()
  for (box in picture$boxes) expect_lt(text_width(box$title, letters_of$name, 2L), box$wide)
})

test_that("arrows keep clear of the cards that they pass", {
  picture <- picture_of(drawn_flows()$long, "right")
  for (link in picture$links) {
    inside <- vapply(picture$boxes, function(box) {
      # 2 % smaller: an arrow touches the card that it comes from or leads to.
      any(abs(link$points[, 1] - box$x) < box$wide * 0.49 & abs(link$points[, 2] - box$y) < box$high * 0.49)
    }, NA)
    expect_false(any(inside))
  }
})
