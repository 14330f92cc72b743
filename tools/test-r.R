# Run the testthat tests in the folders named as arguments against the installed
# package. The last line is plain: "N passed, N failed". Fails when one failed.
library(testthat)

# Snapshots are compared here; elsewhere testthat takes a run by R CMD check for CRAN's.
Sys.setenv(NOT_CRAN = "true")

run_folder <- function(folder) {
  if (length(list.files(folder, "^test.*[.][rR]$")) == 0) return(NULL)
  reporter <- if (interactive()) "progress" else "check"
  results <- test_dir(folder, package = "metaflow", load_package = "installed",
                      reporter = reporter, stop_on_failure = FALSE)
  as.data.frame(results)
}

folders <- commandArgs(trailingOnly = TRUE)
results <- do.call(rbind, lapply(folders, run_folder))
passed <- sum(results$passed)
failed <- sum(results$failed) + sum(results$error)
skipped <- sum(results$skipped)

cat(sprintf("%d passed, %d failed", passed, failed),
    if (skipped > 0) sprintf(", %d skipped", skipped), "\n", sep = "")
quit(status = if (failed > 0) 1L else 0L)
