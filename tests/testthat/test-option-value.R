from_option <- function(text) decorators_from_option(text)[[1]]$args

test_that("arguments of decorators are split at commas outside of brackets", {
  expect_identical(split_outside_brackets("a=1,b=x y"), c("a=1", "b=x y"))
  expect_identical(split_outside_brackets("a={\"x\":[1,2],\"y\":\"1},2\"},b=[3,4]"), c("a={\"x\":[1,2],\"y\":\"1},2\"}", "b=[3,4]"))
  expect_identical(split_outside_brackets("a=]b,c=\"d,e"), c("a=]b", "c=\"d", "e"))
  expect_identical(split_outside_brackets("a={\"b\":\"\\\",\"},c=1"), c("a={\"b\":\"\\\",\"}", "c=1"))
})

test_that("named lists and several values are JSON", {
  expect_identical(from_option("retry:times=2"), list(times = 2L))
  expect_identical(from_option("kubernetes:cpu=0.5,labels={\"team\":\"ml\",\"tier\":\"1\"},secrets=[\"a\",\"b\"]"),
    list(cpu = 0.5, labels = list(team = "ml", tier = "1"), secrets = list("a", "b")))
  expect_identical(from_option("kubernetes:tolerations=[{\"key\":\"gpu\"}]"), list(tolerations = list(list(key = "gpu"))))
})

test_that("broken JSON is told with the argument it is meant for", {
  expect_snapshot(error = TRUE, from_option("kubernetes:cpu=1,labels={team:ml}"))
})
