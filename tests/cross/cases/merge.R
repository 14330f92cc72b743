# merge_artifacts() takes over what agrees, refuses what does not, and leaves alone what was assigned.
leave_traces <- function(self) {
  self[[paste0("from_", current("step_name"))]] <- current("step_name")
  self$clash <- place(self)
}

# An error of merge_artifacts() names what conflicts and sets nothing.
expect_conflict <- function(self, inputs, ...) {
  before <- names(self)
  problem <- tryCatch(merge_artifacts(self, inputs, ...), error = identity)
  stopifnot(
    inherits(problem, "metaflow_merge_error"),
    grepl("MergeArtifactsException", conditionMessage(problem)),
    grepl("'clash'", conditionMessage(problem)),
    !grepl("'common'", conditionMessage(problem)),
    identical(names(self), before)
  )
}

list(
  start = function(self, inputs) {
    self$common <- "common to all"
    leave_traces(self)
  },
  join = function(self, inputs) {
    if (length(inputs) == 0L) {
      merge_artifacts(self, inputs)
      stopifnot(!any(c("common", "clash") %in% names(self)))
      self$common <- "common to all"
      return(leave_traces(self))
    }
    if (length(inputs) > 1L) {
      expect_conflict(self, inputs)
      expect_conflict(self, inputs, include = c("common", "clash"))
    }
    merge_artifacts(self, inputs, exclude = "clash")
    stopifnot(identical(self$common, "common to all"), !"clash" %in% names(self))
    leave_traces(self)
    merge_artifacts(self, inputs)
    known <- unique(unlist(lapply(inputs, names)))
    stopifnot(identical(self$clash, place(self)), all(known %in% names(self)))
  },
  all = function(self, inputs) leave_traces(self)
)
