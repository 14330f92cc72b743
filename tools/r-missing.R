# Print the packages which the named fields of DESCRIPTION ask for and R's
# library does not have, as one line: "missing: cli R6". Prints nothing else, but
# a user's .Rprofile may, so the line carries its own mark.
fields <- commandArgs(trailingOnly = TRUE)
if (length(fields) == 0) quit()

wanted <- read.dcf("DESCRIPTION", fields = fields)
wanted <- as.character(unlist(strsplit(wanted[!is.na(wanted)], ",")))
wanted <- unique(trimws(sub("[(].*", "", wanted)))
found <- nzchar(vapply(wanted, function(package) system.file(package = package), ""))
if (!all(found)) cat("missing: ", paste(wanted[!found], collapse = " "), "\n", sep = "")
