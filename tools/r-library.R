# The folder that packages are installed into: the first library of this user that is
# writable, else the one R would make for the user.
library_folder <- function() {
  writable <- Filter(function(path) file.access(path, 2L) == 0L, .libPaths())
  own <- strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1]][1]
  c(writable, path.expand(own))[[1]]
}
