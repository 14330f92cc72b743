"""In front of the real numpy while reticulate starts, see without_numpy() in R/bridge-python.R."""

raise ImportError("numpy is not wanted while Python starts")
