# Print the folder that packages are installed into, as "library: /path": where
# metaflow is already, else the first writable library, else the user's own.
library_folder <- function() {
  here <- dirname(system.file(package = "metaflow"))
  writable <- function(path) file.access(path, 2L) == 0L
  candidates <- Filter(writable, c(if (nzchar(here)) here, .libPaths()))
  if (length(candidates)) return(candidates[[1]])
  path.expand(strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1]][[1]])
}
cat("library: ", library_folder(), "\n", sep = "")
