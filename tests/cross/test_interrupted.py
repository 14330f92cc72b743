"""Ctrl-C and SIGTERM: everything stops, nothing stays behind, and the run can be resumed."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest
from metaflow_core.store.liveness import shown_status
from rflow import wait_until
from twenty import TWENTY, interrupt, wait_for_notes

CHILDREN = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", next_step = "work", foreach = "xs", r_function = function(self) self$xs <- 1:4) %>%
  step(step = "work", next_step = "join", r_function = function(self) {
    system("sleep 300 &")
    cat("here\\n", file = "notes.log", append = TRUE)
    while (!file.exists("go")) system("sleep 0.2; setsid sleep 300")
  }) %>%
  step(step = "join", join = TRUE, next_step = "end") %>%
  step(step = "end") %>%
  run()
"""


def test_ctrl_c_stops_everything_and_can_be_resumed(r_flow):
    flow = r_flow(CHILDREN)
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    wait_until(lambda: sum("sleep 300" in line for line in flow.processes().values()) >= 4)
    interrupt(process)
    flow.finish(process).expect(130)
    flow.wait_gone()
    status = flow.status("1")
    assert (status["status"], set(flow.records("1"))) == ("interrupted", {"start"})
    assert "resume" in flow.output()
    (flow.folder / "go").touch()
    flow.command("resume").expect(0)
    assert flow.status("2")["tasks"]["cloned"] == 1
    # What a step that is done leaves in the background is its own business, not ours.
    flow.kill_all()
    flow.wait_gone()


@pytest.mark.parametrize(
    "seconds", [0.0, 0.3, 1.5, *(pytest.param(moment, marks=pytest.mark.slow) for moment in (0.1, 0.2, 0.5, 0.7, 1.0))]
)
def test_ctrl_c_at_any_moment(r_flow, seconds):
    """Counted from run(): before, R itself stops and says 1."""
    script = TWENTY.replace("metaflow(", "flow <- metaflow(").replace(
        " %>%\n  run()", "\ncat('', file = 'entered')\nrun(flow)"
    )
    flow = r_flow(script)
    (flow.folder / "slow").touch()
    process = flow.start("run", "--max-workers", "2")
    wait_until(lambda: (flow.folder / "entered").exists())
    time.sleep(seconds)
    interrupt(process)
    flow.finish(process).expect(130)
    flow.wait_gone()
    for run in flow.runs():
        assert shown_status(flow.status(run)) in ("interrupted", "lost")
    assert "Traceback" not in flow.output()
    (flow.folder / "slow").unlink()
    flow.command("resume" if flow.runs() else "run").expect(0)
    assert set(flow.notes()) == set(map(str, range(20)))


@pytest.mark.slow
def test_ctrl_c_never_crashes_r(r_flow):
    """It did one time in ten, see python/metaflow_core/bridge/interrupts.py."""
    for attempt in range(20):
        flow = r_flow(CHILDREN, folder=f"flow {attempt}")
        process = flow.start("run", "--max-workers", "1")
        wait_for_notes(flow, process, 1)
        time.sleep(random.uniform(0, 0.5))
        interrupt(process)
        flow.finish(process).expect(130)
        flow.wait_gone()


@pytest.mark.parametrize("pause", [0.003, 0.006, 0.05])
def test_an_impatient_second_ctrl_c_leaves_nothing_behind(r_flow, pause):
    """Within some ms it comes while the first one kills what runs: one of the two tasks, stopped, used to stay."""
    flow = r_flow(CHILDREN)
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    for _ in range(3):
        if process.poll() is None:
            interrupt(process)
            time.sleep(pause)
    flow.finish(process).expect(130)
    flow.wait_gone()
    assert shown_status(flow.status("1")) in ("interrupted", "lost")


def test_a_terminated_scheduler_can_be_resumed(r_flow):
    """SIGTERM, as a batch system or a shutdown sends it."""
    flow = r_flow(TWENTY)
    (flow.folder / "slow").touch()
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 3)
    process.terminate()
    assert flow.finish(process).status != 0
    flow.wait_gone()
    (flow.folder / "slow").unlink()
    flow.command("resume").expect(0)
    assert Counter(flow.notes()) == dict.fromkeys(map(str, range(20)), 1)
