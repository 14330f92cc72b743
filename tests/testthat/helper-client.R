# A datastore to browse: five runs of two flows, made once by two `Rscript`, copied for each test.
#
#   ShopFlow/1   failed: the foreach over apple, plum, pear fails for the last, two calls deep
#   ShopFlow/2   run 1 resumed; completed
#   ShopFlow/3   of its own, tags "good" and "weekly"; completed
#   RoughFlow/1  a step tried twice, one caught, one that ends with quit(); failed
#   OtherFlow/1  by another user, bob; completed

browsed_script <- '
options(metaflow.command_line = FALSE)

prices <- c(apple = 3, plum = 5)
price <- function(item) {
  if (item == "pear" && !file.exists("mended")) {
    stop("no price for ", item)
  }
  unname(prices[item])
}
ask <- function(item) price(item)

shop <- metaflow("ShopFlow") %>%
  parameter("currency", default = "EUR", help = "of all prices") %>%
  parameter("rate", default = 1.5) %>%
  step(step = "start", foreach = "items", next_step = "quote", r_function = function(self) {
    cat("three items\\n")
    message("asking for prices")
    self$items <- c("apple", "plum", "pear")
    self$when <- as.Date("2026-01-31")
  }) %>%
  step(step = "quote", next_step = "total", r_function = function(self) {
    self$item <- self$input
    self$price <- ask(self$input)
  }) %>%
  step(step = "total", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$bill <- data.frame(item = unlist(gather_inputs(inputs, "item")), price = unlist(gather_inputs(inputs, "price")))
    self$nothing <- NULL
    self$`odd name` <- list(1L, "b")
  }) %>%
  step(step = "end")

rough <- metaflow("RoughFlow") %>%
  step(step = "start", next_step = c("again", "caught", "left"), r_function = function(self) self$x <- 1) %>%
  step(retry(times = 1, minutes_between_retries = 0), step = "again", next_step = "join", r_function = function(self) {
    cat("try", current("retry_count"), "\\n")
    self$partial <- "so far"
    if (current("retry_count") == 0) stop("not the first time")
  }) %>%
  step(catch(var = "problem", print_exception = FALSE), step = "caught", next_step = "join", r_function = function(self) {
    stop(structure(class = c("shop_error", "error", "condition"), list(message = "sold out", call = NULL, stock = 0L)))
  }) %>%
  step(step = "left", next_step = "join", r_function = function(self) {
    Sys.sleep(1)
    quit()
  }) %>%
  step(step = "join", join = TRUE, next_step = "end") %>%
  step(step = "end")

attempt <- function(...) tryCatch(run(...), metaflow_run_error = function(e) NULL)
attempt(shop, max_workers = 1, seed = 1)
invisible(file.create("mended"))
resume(shop, origin_run_id = 1)
run(shop, tag = c("weekly", "good"), rate = 2)
attempt(rough, max_workers = 3)
'

other_script <- '
metaflow("OtherFlow") %>%
  step(step = "start", next_step = "end", r_function = function(self) self$x <- 1) %>%
  step(step = "end") %>%
  run()
'

# A folder with a copy of the datastore, see local_flow_folder().
local_browsed <- function(env = parent.frame()) {
  made <- browsed_folder()
  folder <- local_flow_folder(env)
  file.copy(file.path(made, c("store", "shop.R")), folder, recursive = TRUE)
  folder
}

browsed_folder <- local({
  made <- NULL
  tried <- FALSE
  function() {
    # When the flows cannot run at all, one test says why, and the others do not try again.
    if (is.null(made) && tried) stop("The datastore to browse could not be made, see the first failure.")
    tried <<- TRUE
    if (is.null(made)) {
      folder <- local_flow_folder()
      write_flow(folder, browsed_script, "shop.R")
      run_flow_well(folder, file = "shop.R")
      write_flow(folder, other_script, "other.R")
      run_flow_well(folder, file = "other.R", env = c(METAFLOW_USER = "bob"))
      made <<- tempfile("metaflow-browsed-")
      dir.create(made)
      file.copy(file.path(folder, c("store", "shop.R")), made, recursive = TRUE)
    }
    made
  }
})

# For snapshots: what differs from run to run is replaced by words, and columns are not aligned.
steady <- function(lines) {
  store <- Sys.getenv("METAFLOW_DATASTORE_ROOT")
  lines <- gsub(store, "<store>", lines, fixed = TRUE)
  lines <- gsub(dirname(store), "<folder>", lines, fixed = TRUE)
  lines <- gsub("[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8}", "<moment>", lines)
  lines <- gsub("date:[-0-9]+", "date:<date>", lines)
  lines <- gsub("\\b[0-9.]+ (ms|s|min [0-9]+ s)\\b", "<time>", lines)
  lines <- gsub("\\b[0-9.]+ MB\\b", "<memory>", lines)
  lines <- sub("^( *(pid|seed|host|[a-z]+_seconds|peak_memory_bytes|read_bytes|written_bytes|python|R|metaflow|packages|r_version|metaflow_version|script)  +).*$", "\\1<fact>", lines)
  sub(" +$", "", gsub("(?<=[^ ]) {2,}", "  ", lines, perl = TRUE))
}

# What the console offers for a line that was begun.
complete <- function(line, run = NULL) {
  assign("run", run, envir = globalenv())
  on.exit(rm("run", envir = globalenv()))
  utils:::.assignLinebuffer(line)
  utils:::.assignEnd(nchar(line))
  utils:::.guessTokenFromLine()
  utils:::.completeToken()
  utils:::.retrieveCompletions()
}
