# Install the packages named as arguments from the repositories R is set up with.
source("tools/r-library.R")
library <- library_folder()
dir.create(library, recursive = TRUE, showWarnings = FALSE)
options(timeout = max(60, getOption("timeout")))
utils::install.packages(commandArgs(trailingOnly = TRUE), lib = library, quiet = TRUE)
