# One step makes a value and says when it was done with it; the next reads it and says how long it took.
library(metaflow)
peak_memory_bytes <- function() {
  1024 * as.numeric(gsub("[^0-9]", "", grep("^VmHWM", readLines("/proc/self/status"), value = TRUE)))
}
make <- list(
  frame = function() { n <- 1e8 / 40; data.frame(a = runif(n), b = rnorm(n), c = seq_len(n) + 0, d = runif(n), e = runif(n)) },
  list2gb = function() lapply(1:32, function(i) runif(2^30 / 8 / 16)),
  strings = function() data.frame(s = sample(sprintf("string-%07d", 1:1e6), 2e6, replace = TRUE))
)
metaflow("Data") %>%
  parameter("kind", default = "frame") %>%
  step(step = "start", next_step = "read", r_function = function(self) {
    value <- make[[self$kind]]()
    invisible(gc())
    self$value <- value
    self$ready_at <- as.numeric(Sys.time())
  }) %>%
  step(step = "read", next_step = "end", r_function = function(self) {
    began <- as.numeric(Sys.time())
    value <- self$value
    self$read_seconds <- as.numeric(Sys.time()) - began
    self$object_bytes <- as.numeric(object.size(value))
    self$rss_after <- peak_memory_bytes()
  }) %>%
  step(step = "end", r_function = function(self) {
    cat(sprintf("RESULT %.6f %.6f %.0f %.0f\n", self$ready_at, self$read_seconds, self$object_bytes, self$rss_after))
  }) %>%
  run()
