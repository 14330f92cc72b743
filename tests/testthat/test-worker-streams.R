# What a task draws, seeded with `seed`, in a process of its own: the replacements are not for this one.
drawn_in_task <- function(seed, body) {
  folder <- withr::local_tempdir()
  saveRDS(list(seed = seed, body = body), file.path(folder, "in"))
  code <- sprintf("setwd(%s); x <- readRDS('in'); metaflow:::seed_task(x$seed, RNGkind()); library(parallel); saveRDS(eval(x$body), 'out')", encodeString(folder, quote = "\""))
  processx::run(file.path(R.home("bin"), "Rscript"), c("-e", code))
  readRDS(file.path(folder, "out"))
}

test_that("set.seed() gives in a task what it gives in the console, before and after mclapply()", {
  withr::local_seed(1)
  RNGkind("default", "default", "default")
  set.seed(42)
  console <- runif(4)
  task <- drawn_in_task(7L, quote({
    set.seed(42)
    first <- runif(2)
    mclapply(1:2, function(i) runif(1), mc.cores = 2)
    c(first, runif(2))
  }))
  expect_identical(task, console)
})

test_that("mclapply() and mcparallel() give the same numbers for the same seed, others for another, and different ones side by side", {
  skip_on_os("windows")
  body <- quote({
    twice <- lapply(1:2, function(i) unlist(mclapply(1:4, function(i) runif(1), mc.cores = 2)))
    jobs <- lapply(1:2, function(i) mcparallel(runif(1)))
    c(unlist(twice), unlist(mccollect(jobs)), unlist(mclapply(1:2, function(i) rnorm(1), mc.cores = 2, mc.preschedule = FALSE)))
  })
  first <- unname(drawn_in_task(7L, body))
  expect_identical(unname(drawn_in_task(7L, body)), first)
  expect_identical(anyDuplicated(first), 0L)
  expect_length(intersect(unname(drawn_in_task(8L, body)), first), 0)
})

test_that("mclapply() depends on set.seed() and on what was drawn since", {
  skip_on_os("windows")
  body <- quote({
    draw <- function(seed, before) {
      set.seed(seed)
      runif(before)
      unlist(mclapply(1:2, function(i) runif(1), mc.cores = 2))
    }
    list(draw(1, 0), draw(1, 1), draw(2, 0), draw(1, 0))
  })
  found <- drawn_in_task(7L, body)
  expect_identical(found[[1]], found[[4]])
  expect_identical(anyDuplicated(unlist(found[1:3])), 0L)
})

test_that("whoever chose L'Ecuyer's generator has R's own behaviour", {
  skip_on_os("windows")
  body <- quote({
    RNGkind("L'Ecuyer-CMRG")
    set.seed(42)
    unlist(mclapply(1:4, function(i) runif(1), mc.cores = 2))
  })
  code <- paste(c("library(parallel)", deparse(body[-1][[1]]), "set.seed(42)", "cat(sprintf('%.15f', unlist(mclapply(1:4, function(i) runif(1), mc.cores = 2))))"), collapse = ";")
  plain <- processx::run(file.path(R.home("bin"), "Rscript"), c("-e", code))$stdout
  expect_identical(sprintf("%.15f", drawn_in_task(7L, body)), strsplit(trimws(plain), " ")[[1]])
})

test_that("a cluster whose streams are set follows from the task's seed", {
  body <- quote({
    cl <- makeCluster(2)
    on.exit(stopCluster(cl))
    clusterSetRNGStream(cl)
    unlist(parLapply(cl, 1:4, function(i) runif(1)))
  })
  expect_identical(drawn_in_task(7L, body), drawn_in_task(7L, body))
})

test_that("a task's generator has its seed whoever looks at it first", {
  kinds <- RNGkind()
  looks <- list(
    quote(runif(3)), quote({ RNGkind(); runif(3) }), quote({ get(".Random.seed", globalenv()); runif(3) }),
    quote({ saved <- globalenv()$.Random.seed; runif(1); assign(".Random.seed", saved, globalenv()); runif(3) }),
    quote({ exists(".Random.seed", globalenv()); runif(3) })
  )
  wanted <- withr::with_seed(7, runif(3))
  for (look in looks) expect_identical(drawn_in_task(7L, look), wanted, info = deparse(look))
  expect_identical(drawn_in_task(7L, quote({ set.seed(1); runif(3) })), withr::with_seed(1, runif(3)))
  expect_identical(drawn_in_task(7L, quote({ rm(".Random.seed", envir = globalenv()); exists(".Random.seed", globalenv()) })), FALSE)
})
