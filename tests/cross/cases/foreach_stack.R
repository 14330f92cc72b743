# Each task of a foreach knows its value and its place, and a join gets its inputs in the order of the values.
check_stack <- function(self) {
  around <- foreaches(current("step_name"))
  stack <- self$foreach_stack()
  stopifnot(length(stack) == length(around))
  for (i in seq_along(stack)) {
    values <- splits[[around[[i]]]]$values
    stopifnot(
      identical(stack[[i]]$count, length(values)),
      identical(stack[[i]]$value, values[[stack[[i]]$index + 1L]])
    )
  }
  innermost <- if (length(stack)) stack[[length(stack)]]
  stopifnot(identical(self$input, innermost$value), identical(self$index, innermost$index))
}

list(
  join = function(self, inputs) {
    check_stack(self)
    trails <- gather_inputs(inputs, "trail")
    if (is_foreach(closes[[current("step_name")]])) {
      values <- splits[[closes[[current("step_name")]]]]$values
      stopifnot(
        is.null(names(inputs)),
        length(inputs) == length(values),
        identical(vapply(inputs, function(input) input$innermost, ""), values)
      )
    } else {
      stopifnot(setequal(names(inputs), vapply(inputs, function(input) input$step, "")))
    }
    self$trail <- unlist(trails, use.names = FALSE)
    self$innermost <- self$input
    self$step <- current("step_name")
  },
  all = function(self, inputs) {
    check_stack(self)
    self$trail <- place(self)
    self$innermost <- self$input
    self$step <- current("step_name")
  }
)
