# `run(meson = "create")`, as the slides of 2019 have it: there, Meson was the scheduler of production runs, and this
# put the flow into it. Where no such scheduler is set up, the run says so in one line, and is an ordinary run.

meson_note <- function(options) {
  resumed <- !is.null(options$resume) && !isFALSE(options$resume)
  if (is.null(options$meson) || resumed) return(character())
  "meson = \"create\" puts the flow into no scheduler, because none is set up for production here: it runs once, now"
}
