# Print the folder that packages are installed into, as "library: /path": the first
# library of this user that is writable, else the one R would make for the user.
writable <- Filter(function(path) file.access(path, 2L) == 0L, .libPaths())
own <- strsplit(Sys.getenv("R_LIBS_USER"), .Platform$path.sep)[[1]][1]
cat("library: ", c(writable, path.expand(own))[[1]], "\n", sep = "")
