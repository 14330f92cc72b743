"""The scheduler is killed at any moment: what was done is kept, what ends after it is adopted, nothing runs twice."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter

import pytest
from metaflow_core.store.liveness import shown_status
from rflow import RFlow, wait_until
from twenty import TWENTY, done, kill_scheduler, wait_for_notes


@pytest.fixture
def flow(r_flow):
    made = r_flow(TWENTY)
    (made.folder / "slow").touch()
    return made


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The artifacts of a run to which nothing happens."""
    flow = RFlow(tmp_path_factory.mktemp("undisturbed") / "flow", {"flow.R": TWENTY})
    flow.command("run", "--seed", "11").expect(0)
    return flow.digests("1")


def slow(*values):
    return [pytest.param(value, marks=pytest.mark.slow) for value in values]


@pytest.mark.parametrize("moment", [0, 7, "any", *slow(1, 15, "start", "any other", "yet another")])
def test_killed_scheduler(flow, undisturbed, moment):
    """The moment: so many tasks are done, or some time passed."""
    process = flow.start("run", "--seed", "11", "--max-workers", "2")
    if isinstance(moment, int):
        wait_until(lambda: (flow.root / "flows").exists(), 60)
        wait_for_notes(flow, process, moment)
    else:
        time.sleep(0.3 if moment == "start" else random.uniform(0.3, 6))
    kill_scheduler(process)
    # Workers finish what they are at, and end.
    flow.wait_gone()

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


WAITS = """
    cat(paste0(self$index, "\\n"), file = "begun.log", append = TRUE)
    while (self$index >= 4 && !file.exists("go")) Sys.sleep(0.02)
"""


def test_a_task_that_ends_after_its_scheduler_is_adopted(r_flow, undisturbed):
    flow = r_flow(TWENTY.replace('    if (file.exists("slow")) Sys.sleep(0.5)\n', WAITS))
    process = flow.start("run", "--seed", "11", "--max-workers", "2")
    # Two are begun, and what was done before is committed.
    wait_until(lambda: len(flow.notes("begun.log")) == 6 and len(done(flow)) == 4)
    kill_scheduler(process)
    (flow.folder / "go").touch()
    flow.wait_gone()
    orphans = {f"work[{index}]" for index in flow.notes()} - done(flow)
    assert orphans == {"work[4]", "work[5]"}, "both workers were at a task"
    flow.command("resume").expect(0)
    assert Counter(flow.notes()) == dict.fromkeys(map(str, range(20)), 1)
    assert {flow.records("2")[place]["origin"].split("/")[1] for place in orphans} == {"1"}
    assert flow.digests("2") == undisturbed
    assert all(flow.records("1")[place]["adopted"] for place in orphans)


def test_a_resume_that_is_killed_can_be_resumed(flow, undisturbed):
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


def test_a_lost_run_is_not_in_the_way_of_others(flow):
    process = flow.start("run", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    kill_scheduler(process)
    (flow.folder / "slow").unlink()
    flow.command("run").expect(0)
    assert flow.runs() == ["1", "2"]
    flow.wait_gone()


def test_a_worker_that_is_killed_fails_its_task_only(flow):
    process = flow.start("run", "--with", "retry:times=1,minutes_between_retries=0", "--max-workers", "2")
    wait_for_notes(flow, process, 2)
    workers = [pid for pid, line in flow.processes().items() if "worker_main" in line]
    os.kill(max(workers), signal.SIGKILL)
    flow.finish(process).expect(0)
    assert flow.status("1")["status"] == "completed"
    flow.wait_gone()
