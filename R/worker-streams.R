# Random numbers of `parallel` inside a step.
#
# The generator of a task is of the kind that the session had which built the flow, so that set.seed(42) gives in a
# step what it gives in the console. With R's default kind, though, the children of mclapply() and mcparallel() would be
# seeded by the clock. Streams that are reproducible and independent are what L'Ecuyer's generator has, so `parallel`
# gets those, while the generator of the task itself is left as it is: three internal functions of `parallel` are
# replaced in the worker's process, which is ours alone. Whoever chose "L'Ecuyer-CMRG" gets R's own behaviour.
#
# mclapply() starts from what the state of the task's generator says, without advancing it. A second mclapply() from the
# same state goes on with the streams that follow.

streams <- c("mc.reset.stream", "mc.advance.stream", "mc.set.stream")

# The first stream of a task, from its seed. Called before the generator itself is seeded.
seed_streams <- function(seed) {
  the$stream_start <- NULL
  the$stream_seed <- seed
  if (!isTRUE(the$streams_replaced) && streams_known()) replace_streams()
}

# Most tasks need no streams.
begin_streams <- function() {
  if (is.null(the$stream_seed)) return(invisible())
  assign("LEcuyer.seed", with_state_kept(stream_of(the$stream_seed)), envir = parallel_function_home()$RNGenv)
  the$stream_seed <- NULL
}

parallel_function_home <- function() asNamespace("parallel")

# Another version of R may do it in another way; it then does what it does.
streams_known <- function() {
  home <- parallel_function_home()
  is.environment(home$RNGenv) && all(vapply(streams, function(name) is.function(home[[name]]), FALSE))
}

stream_of <- function(seed) {
  suppressWarnings(set.seed(seed, kind = "L'Ecuyer-CMRG", normal.kind = "Inversion", sample.kind = "Rejection"))
  get(".Random.seed", envir = globalenv())
}

replace_streams <- function() {
  home <- parallel_function_home()
  r_own <- mget(streams, envir = home)
  is_lecuyer <- function() identical(RNGkind()[[1L]], "L'Ecuyer-CMRG")
  ours <- list(
    mc.reset.stream = function() {
      begin_streams()
      if (is_lecuyer()) return(r_own$mc.reset.stream())
      start <- state_seed()
      if (!identical(start, the$stream_start)) {
        the$stream_start <- start
        assign("LEcuyer.seed", with_state_kept(stream_of(start)), envir = home$RNGenv)
      }
    },
    mc.advance.stream = function(reset = FALSE) {
      begin_streams()
      assign("LEcuyer.seed", parallel::nextRNGStream(get("LEcuyer.seed", envir = home$RNGenv)), envir = home$RNGenv)
    },
    # In a child.
    mc.set.stream = function() {
      begin_streams()
      assign(".Random.seed", get("LEcuyer.seed", envir = home$RNGenv), envir = globalenv())
    }
  )
  open <- get("unlockBinding", envir = baseenv())
  for (name in streams) {
    open(name, home)
    assign(name, ours[[name]], envir = home)
    lockBinding(name, home)
  }
  the$streams_replaced <- TRUE
}

# A number that the state of the generator determines; the state stays as it is.
state_seed <- function() with_state_kept(sample.int(.Machine$integer.max, 1L))

with_state_kept <- function(value) {
  home <- globalenv()
  if (!exists(".Random.seed", envir = home, inherits = FALSE)) stats::runif(1)
  state <- get(".Random.seed", envir = home)
  on.exit(assign(".Random.seed", state, envir = home))
  force(value)
}
