"""Runs that are killed, interrupted or out of time: what they did is kept, and nothing of them stays behind."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest
from metaflow_core.store.liveness import shown_status
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
    cat(self$index, "\\n", sep = "", file = "notes.log", append = TRUE)
  }) %>%
  step(step = "join", join = TRUE, next_step = "end", r_function = function(self, inputs) {
    self$total <- sum(unlist(gather_inputs(inputs, "square")))
    self$draws <- unlist(gather_inputs(inputs, "draw"))
  }) %>%
  step(step = "end", r_function = function(self) if (self$total != 2870) stop("the total is ", self$total)) %>%
  run()
"""

WORK = [f"work[{index}]" for index in range(20)]


@pytest.fixture
def twenty(r_flow):
    """The flow, and the artifacts of an undisturbed run of it (in another datastore)."""

    def make(**env):
        flow = r_flow(TWENTY, **env)
        (flow.folder / "slow").touch()
        return flow

    return make


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    from rflow import RFlow

    flow = RFlow(tmp_path_factory.mktemp("undisturbed") / "flow", {"flow.R": TWENTY})
    flow.command("run", "--seed", "11").expect(0)
    return flow.digests("1")


def kill_scheduler(process):
    """kill -9 of the Rscript process alone; its workers are in sessions of their own."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)


def done(flow, run="1"):
    return {place for place in flow.records(run) if place.startswith("work")}


def wait_for_notes(flow, process, count):
    wait_until(lambda: len(flow.notes()) >= count or process.poll() is not None, 60)
    assert process.poll() is None, flow.output()


# -- kill -9 of the scheduler


@pytest.mark.parametrize("moment", [0, 1, 7, 15, "start", "any", "any again"])
def test_killed_scheduler(twenty, undisturbed, moment):
    """The moment: so many tasks are done, or so many seconds passed."""
    flow = twenty()
    process = flow.start("run", "--seed", "11", "--max-workers", "2")
    if isinstance(moment, int):
        wait_until(lambda: (flow.root / "flows").exists(), 60)
        wait_for_notes(flow, process, moment)
    else:
        time.sleep(0.3 if moment == "start" else random.uniform(0.3, 6))
    kill_scheduler(process)
    # Workers finish what they are at, and end.
    flow.wait_gone(10)

    runs = flow.runs()
    if not runs:
        flow.command("resume").expect(1)
        flow.command("run", "--seed", "11").expect(0)
        assert flow.digests("1") == undisturbed
        return
    assert shown_status(flow.status("1")) == "lost"
    assert flow.command("list").expect(0).output.count("lost") == 1
    committed, finished = done(flow), Counter(flow.notes())
    assert set(finished.values()) <= {1}
    adopted = {f"work[{index}]" for index in finished} - committed
    assert len(adopted) <= 2 + 1

    (flow.folder / "slow").unlink()
    flow.command("resume").expect(0)
    assert flow.digests("2") == undisturbed
    assert Counter(flow.notes()) == dict.fromkeys(map(str, range(20)), 1)
    for place, record in flow.records("2").items():
        if place in committed | adopted:
            assert record["origin"].startswith("CrossFlow/1/"), place
    assert flow.leftovers() == []
    # The run that was killed has them now, too, and can be looked at.
    assert done(flow) == committed | adopted
    assert flow.command("list").expect(0).output.count("completed") == 1


def test_a_task_that_ends_after_its_scheduler_is_adopted(twenty, undisturbed):
    flow = twenty()
    process = flow.start("run", "--seed", "11", "--max-workers", "2")
    wait_for_notes(flow, process, 4)
    kill_scheduler(process)
    flow.wait_gone()
    orphans = {f"work[{index}]" for index in flow.notes()} - done(flow)
    assert len(orphans) == 2, "both workers were at a task"
    flow.command("resume").expect(0)
    assert Counter(flow.notes()) == dict.fromkeys(map(str, range(20)), 1)
    assert {flow.records("2")[place]["origin"].split("/")[1] for place in orphans} == {"1"}
    assert flow.digests("2") == undisturbed
    assert all(flow.records("1")[place]["adopted"] for place in orphans)


def test_a_resume_that_is_killed_can_be_resumed(twenty, undisturbed):
    flow = twenty()
    command = ["run", "--seed", "11"]
    for count in (3, 8, 14):
        process = flow.start(*command, "--max-workers", "2")
        wait_for_notes(flow, process, count)
        kill_scheduler(process)
        flow.wait_gone()
        command = ["resume"]
    flow.command("resume").expect(0)
    assert flow.digests("4") == undisturbed
    assert Counter(flow.notes()) == dict.fromkeys(map(str, range(20)), 1)


def test_a_lost_run_is_not_in_the_way_of_others(twenty):
    flow = twenty()
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    kill_scheduler(process)
    (flow.folder / "slow").unlink()
    flow.command("run").expect(0)
    assert flow.runs() == ["1", "2"]
    flow.wait_gone()


def test_a_worker_that_is_killed_fails_its_task_only(twenty):
    flow = twenty()
    process = flow.start("run", "--with", "retry:times=1,minutes_between_retries=0", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    workers = [pid for pid, line in flow.processes().items() if "worker_main" in line]
    os.kill(max(workers), signal.SIGKILL)
    flow.finish(process).expect(0)
    assert flow.status("1")["status"] == "completed"
    flow.wait_gone()


# -- Ctrl-C


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


def interrupt(process):
    """What a terminal does on Ctrl-C: a signal to the foreground process group."""
    os.killpg(process.pid, signal.SIGINT)


def test_ctrl_c_stops_everything_and_can_be_resumed(r_flow):
    flow = r_flow(CHILDREN)
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    wait_until(lambda: sum("sleep 300" in line for line in flow.processes().values()) >= 4, 20)
    interrupt(process)
    flow.finish(process, 10).expect(130)
    flow.wait_gone()
    status = flow.status("1")
    assert (status["status"], set(flow.records("1"))) == ("interrupted", {"start"})
    assert "resume" in flow.output()
    (flow.folder / "go").touch()
    flow.command("resume").expect(0)
    assert flow.status("2")["tasks"]["cloned"] == 1
    # What a step that is done leaves in the background is its own business, not ours.
    flow.kill_all()


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5])
def test_ctrl_c_at_any_moment(r_flow, seconds):
    """Counted from run(): before, R itself stops and says 1."""
    script = TWENTY.replace("metaflow(", "flow <- metaflow(").replace(" %>%\n  run()", "\ncat('', file = 'entered')\nrun(flow)")
    flow = r_flow(script)
    (flow.folder / "slow").touch()
    process = flow.start("run", "--max-workers", "2")
    wait_until(lambda: (flow.folder / "entered").exists())
    time.sleep(seconds)
    interrupt(process)
    flow.finish(process, 20).expect(130)
    flow.wait_gone()
    for run in flow.runs():
        assert shown_status(flow.status(run)) in ("interrupted", "lost")
    assert "Traceback" not in flow.output()
    (flow.folder / "slow").unlink()
    flow.command("resume" if flow.runs() else "run").expect(0)
    assert set(flow.notes()) == set(map(str, range(20)))


def test_an_impatient_second_ctrl_c_leaves_nothing_behind(r_flow):
    flow = r_flow(CHILDREN)
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    for _ in range(3):
        if process.poll() is None:
            interrupt(process)
            time.sleep(0.05)
    flow.finish(process, 10)
    assert process.returncode != 0
    flow.wait_gone()
    assert shown_status(flow.status("1")) in ("interrupted", "lost")


def test_a_terminated_scheduler_can_be_resumed(twenty):
    """SIGTERM, as a batch system or a shutdown sends it."""
    flow = twenty()
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 3)
    process.terminate()
    assert flow.finish(process, 10).status != 0
    flow.wait_gone()
    (flow.folder / "slow").unlink()
    flow.command("resume").expect(0)
    assert Counter(flow.notes()) == dict.fromkeys(map(str, range(20)), 1)


# -- timeout


LIMITED = """
library(metaflow)
metaflow("CrossFlow") %>%
  step(step = "start", next_step = "end", timeout(seconds = 2), r_function = function(self) {
    cat("here\\n", file = "notes.log", append = TRUE)
    BODY
  }) %>%
  step(step = "end") %>%
  run()
"""

ENDLESS = {
    "loop": "repeat NULL",
    "sleep": "Sys.sleep(300)",
    "compiled": "x <- stats::rnorm(3e7); repeat sort(x, method = 'radix')",
    "solve": "m <- matrix(stats::rnorm(9e6), 3000); repeat solve(m)",
    "system": "system('sleep 300')",
    "pipe": "system('sh -c \"sleep 300\" | cat', intern = TRUE)",
    "own session": "system('setsid sleep 300')",
    "background": "system('sleep 300 &'); repeat NULL",
    "caught": "repeat tryCatch(Sys.sleep(300), interrupt = function(e) NULL, error = function(e) NULL)",
    "processx": "processx::run('sleep', '300')",
}


@pytest.mark.parametrize(
    ("what", "isolation"), [*((what, "fork") for what in ENDLESS), ("loop", "fresh"), ("own session", "fresh")]
)
def test_timeout(r_flow, what, isolation):
    flow = r_flow(LIMITED.replace("BODY", ENDLESS[what]), METAFLOW_ISOLATION=isolation)
    ended = flow.command("run").expect(1)
    flow.wait_gone()
    (record,) = flow.attempts("1")
    assert (record["ok"], record["error"]["cause"]) == (False, "timeout")
    assert "2 seconds" in record["error"]["message"]
    assert "2 seconds" in ended.output
    assert flow.notes() == ["here"]


def test_timeout_then_retry_then_catch(r_flow):
    script = LIMITED.replace("BODY", "Sys.sleep(300)").replace(
        "timeout(seconds = 2),",
        'timeout(seconds = 1), retry(times = 1, minutes_between_retries = 0), catch(var = "problem"),',
    ).replace('step(step = "end")', """step(step = "end", r_function = function(self) {
      stopifnot(inherits(self$problem, "metaflow_timeout_error"), grepl("1 seconds", conditionMessage(self$problem)))
    })""")
    flow = r_flow(script)
    flow.command("run").expect(0)
    assert flow.notes() == ["here", "here"]
    assert [record["attempt"] for record in flow.attempts("1") if record["step"] == "start"] == [0, 1, 2]
    flow.wait_gone()


def test_a_step_within_its_limit_is_left_alone(r_flow):
    flow = r_flow(LIMITED.replace("BODY", "Sys.sleep(0.5)"))
    flow.command("run").expect(0)
