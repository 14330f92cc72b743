graph <- function() {
  metaflow("GraphFlow") %>%
    step(step = "start", next_step = c("a", "b")) %>%
    step(step = "a", foreach = "xs", next_step = "each") %>%
    step(step = "each", next_step = "collect") %>%
    step(step = "collect", join = TRUE, next_step = "join") %>%
    step(step = "b", next_step = "join") %>%
    step(step = "join", join = TRUE, next_step = "end") %>%
    step(step = "end")
}

test_that("show draws the graph as text, Mermaid, dot and JSON", {
  expect_snapshot({
    writeLines(command_output(graph(), "show")$lines)
    writeLines(command_output(graph(), "show", "--format", "mermaid")$lines)
    writeLines(command_output(graph(), "show", "--format=dot")$lines)
  })
  shown <- command_json(graph(), "show")
  expect_identical(shown, parse_json(paste(command_output(graph(), "show", "--format", "json")$lines, collapse = "\n")))
  expect_match(json(shown), "collect")
  expect_identical(command_output(graph(), "show")$status, 0L)
})

test_that("show needs no valid flow to draw what is there", {
  broken <- metaflow("BrokenFlow") %>% step(step = "start", next_step = "nowhere")
  expect_match(command_output(broken, "show")$lines, "start", all = FALSE)
})

test_that("an unknown format is refused", {
  expect_snapshot(error = TRUE, command_output(graph(), "show", "--format", "pdf"))
})

test_that("check finds no problems in a good flow, all in a bad one", {
  bad <- metaflow("BadFlow") %>% step(step = "start", next_step = c("a", "b")) %>% step(step = "a", next_step = "edn") %>% step(step = "end")
  expect_snapshot({
    writeLines(command_output(graph(), "check")$lines)
    writeLines(command_output(bad, "check")$lines)
  })
  expect_identical(command_output(graph(), "check")$status, 0L)
  expect_identical(command_output(bad, "check")$status, 1L)
  expect_identical(command_json(graph(), "check"), list(flow = "GraphFlow", ok = TRUE, problems = list()))
  told <- command_json(bad, "check")
  expect_false(told$ok)
  expect_identical(vapply(told$problems, function(p) p$step, ""), c("start", "a"))
  expect_identical(told$problems[[2]]$code, "unknown_next")
  expect_identical(told$problems[[2]]$hint, "Did you mean 'end'?")
})

test_that("version tells versions", {
  expect_identical(command_json(graph(), "version"), list(metaflow = as.character(packageVersion("metaflow")), R = r_version()))
  expect_match(command_output(graph(), "version")$lines, "^metaflow +[0-9.]+$", all = FALSE)
})
