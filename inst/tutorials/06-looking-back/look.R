# Everything that was ever run can be looked at, compared and drawn. Run the flow a few times before:
#
#   for k in 2 3 4; do Rscript flow.R run --clusters $k --tag tutorial; done

library(metaflow)

# All runs, as a data frame; those of a kind.
mf_runs("IrisFlow")
runs <- flow_client$new("IrisFlow")$runs_with_tags("tutorial")

# A number out of each of them.
data.frame(
  run = names(runs),
  clusters = vapply(runs, function(run) run$parameters$clusters, 0L),
  explained = round(vapply(runs, function(run) run$data$explained, 0), 3),
  row.names = NULL
)

# One of them in detail. In RStudio, TAB completes what follows a `$`.
run <- runs[[1]]
run
run$data
run$data$table
run$steps$group$a_task

# What is different from the run before?
difference <- mf_diff(runs[[2]], runs[[1]])
difference$parameters
difference$artifacts

# The code that made it, even when flow.R was changed since; and where an artifact came from.
run$code
mf_lineage(paste0(run$end_task$pathspec, "/table"))

# A tag marks it for those who come later.
run$add_tag("shown")
run$user_tags

# How long it took, and what its steps need.
summary(run)

# As pictures.
png("run.png", width = 1000, height = 500, res = 110)
plot(run)
invisible(dev.off())
png("timeline.png", width = 1000, height = 500, res = 110)
plot(run, type = "timeline")
invisible(dev.off())
