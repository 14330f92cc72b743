# The slow tests use the helpers of the fast ones.
source(file.path("..", "testthat", "helper-flow.R"))
