"""A flow with a foreach of 20 tasks, to be stopped while it is at it."""

import os
import signal

from rflow import wait_until

# A foreach of 20 tasks, each of which writes down its index when it is done. While the file "slow" exists each takes
# half a second, so that there is something to be killed.
TWENTY = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", next_step = "work", foreach = "xs", r_function = function(self) self$xs <- 1:20) %>%
  step(step = "work", next_step = "join", r_function = function(self) {
    if (file.exists("slow")) Sys.sleep(0.5)
    self$square <- self$input^2
    self$draw <- stats::runif(1)
    cat(paste0(self$index, "\\n"), file = "notes.log", append = TRUE)  # one write, so that lines stay whole
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$total <- sum(unlist(gather_inputs(inputs, "square")))
    self$draws <- unlist(gather_inputs(inputs, "draw"))
  }) %>%
  step(step = "end", r_function = function(self) if (self$total != 2870) stop("the total is ", self$total)) %>%
  run()
"""


def wait_for_notes(flow, process, count):
    """Until so many tasks wrote down that they are done."""
    wait_until(lambda: len(flow.notes()) >= count or process.poll() is not None, 60)
    assert process.poll() is None, flow.output()


def kill_scheduler(process):
    """kill -9 of the Rscript process alone; its workers are in sessions of their own."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


def interrupt(process):
    """What a terminal does on Ctrl-C: a signal to the foreground process group."""
    os.killpg(process.pid, signal.SIGINT)


def done(flow, run="1"):
    return {place for place in flow.records(run) if place.startswith("work")}
