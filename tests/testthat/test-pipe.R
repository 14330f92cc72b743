test_that("the pipe is exported and is magrittr's", {
  expect_identical(metaflow::`%>%`, magrittr::`%>%`)
})
