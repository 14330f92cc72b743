# The other side of the wire: a shell that moves what is asked for from `elsewhere` into the folder of copies,
# notes each question, and answers. `answer` is what it says.
local_answers <- function(folder, elsewhere, blobs, answer = "{\"missing\":[]}", env = parent.frame()) {
  script <- sprintf(
    paste(
      "cd %s; while true; do for q in need-*; do case $q in *.answer|*.part|'need-*'|*.asked) continue;; esac",
      "[ -s $q ] && [ ! -e $q.asked ] || continue; touch $q.asked; sort $q >> questions; echo >> questions",
      "for d in $(cat $q); do a=$(printf %%.2s $d); mkdir -p %s/$a; cp %s/$a/$d %s/$a/$d 2>/dev/null; done",
      "echo '%s' > $q.part; mv $q.part $q.answer; done; sleep 0.01; done",
      sep = "\n"
    ),
    folder, blobs, elsewhere, blobs, answer
  )
  process <- processx::process$new("sh", c("-c", script))
  withr::defer(process$kill(), envir = env)
}

# A task of a datastore that is elsewhere: its blobs are not in the folder of copies.
local_remote_task <- function(..., answer = "{\"missing\":[]}", env = parent.frame()) {
  task <- local_task(..., env = env)
  folder <- withr::local_tempdir(.local_envir = env)
  elsewhere <- withr::local_tempdir(.local_envir = env)
  blobs <- the$task$blobs
  file.rename(list.files(blobs, full.names = TRUE), file.path(elsewhere, list.files(blobs)))
  previous <- list(the$worker, the$wire)
  wire <- file.path(folder, "wire")
  the$task$folder <- folder
  the$worker <- list(asks = TRUE)
  the$wire <- list(output = processx::conn_create_file(wire, write = TRUE))
  withr::defer({
    close(the$wire$output)
    the$worker <- previous[[1]]
    the$wire <- previous[[2]]
  }, envir = env)
  local_answers(folder, elsewhere, blobs, answer, env = env)
  task$questions <- function() {
    lines <- readLines(file.path(folder, "questions"))
    split(lines[nzchar(lines)], cumsum(!nzchar(lines))[nzchar(lines)])
  }
  task$wire <- wire
  task
}

test_that("a blob that is missing is asked for, once", {
  task <- local_remote_task(artifacts = list(x = 1:3, y = "y"))
  expect_identical(task$self$x, 1:3)
  expect_identical(task$self$x, 1:3)
  expect_length(task$questions(), 1L)
  said <- parse_json(readLines(task$wire))
  expect_identical(said$t, "need")
  expect_false(file.exists(said$file))
})

test_that("a copy that is there is asked for, too, so that it is checked", {
  task <- local_remote_task(artifacts = list(x = 1:3))
  expect_identical(task$self$x, 1:3)
  ref <- the$task$refs$x
  the$task$asked <- new.env()
  expect_identical(read_ref(ref, the$task$blobs, "x"), 1:3)
  expect_length(task$questions(), 2L)
})

test_that("a copy that made room for others is asked for again", {
  task <- local_remote_task(artifacts = list(x = 1:3))
  expect_identical(task$self$x, 1:3)
  ref <- the$task$refs$x
  unlink(blob_path(parse_ref(ref)$blob, the$task$blobs))
  expect_identical(read_ref(ref, the$task$blobs, "x"), 1:3)
  expect_length(task$questions(), 2L)
})

test_that("a join that gathers asks once for all of its inputs", {
  task <- local_remote_task(inputs = lapply(1:50, function(i) list(y = i, z = -i)))
  expect_identical(gather_inputs(task$inputs, "y"), as.list(1:50))
  expect_length(task$questions(), 1L)
  expect_identical(vapply(task$inputs, function(input) input$z, 0), as.numeric(-(1:50)))
  expect_length(task$questions(), 2L)
  expect_length(task$questions()[[2]], 50L)
})

test_that("what is gathered at once has a limit of size", {
  task <- local_remote_task(inputs = lapply(1:9, function(i) list(y = i)))
  ref <- input_ref(1, "y")
  need_input(1, "y", ref, the$task, most = 3 * parse_ref(ref)$size)
  expect_length(task$questions()[[1]], 3L)
})

test_that("values that seem to conflict are fetched together", {
  task <- local_remote_task(inputs = list(a = list(x = 1:3), b = list(x = c(1L, 2L, 3L))))
  expect_identical(merge_artifacts(task$self, task$inputs), "x")
  expect_length(task$questions(), 1L)
})

test_that("an error of the core arrives as its condition", {
  task <- local_remote_task(
    artifacts = list(x = 1:3),
    answer = "{\"error\":{\"classes\":[\"metaflow_corrupted_error\",\"metaflow_store_error\",\"metaflow_error\"],\"message\":\"blob ab is damaged\",\"hint\":\"Mend it.\",\"data\":null}}"
  )
  expect_error(task$self$x, "Blob ab is damaged\nMend it.", class = "metaflow_corrupted_error")
})

test_that("a blob that nobody has is an error that names the artifact", {
  task <- local_remote_task(artifacts = list(x = 1:3), answer = "{\"missing\":[\"ab\"]}")
  the$task$refs$x <- paste(strrep("c", 64), "0 10 d")
  expect_error(task$self$x, "artifact 'x' are missing", class = "metaflow_worker_error")
})

test_that("a local datastore is not asked", {
  task <- local_task(artifacts = list(x = 1:3))
  the$task$refs$x <- paste(strrep("c", 64), "0 10 d")
  expect_error(task$self$x, "are missing", class = "metaflow_worker_error")
})
