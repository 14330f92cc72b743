import json
import os
import time

import pytest
from metaflow_core.client import Session
from metaflow_core.errors import UnknownOption
from metaflow_core.settings import load_settings
from suites.made_runs import BRANCH, RunMaker


@pytest.fixture
def session(tmp_path):
    session = Session(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    yield session
    session.close()


DEAD = {"pid": 2**22 + 1, "pid_start": None}  # above the largest process id of Linux


def test_rows_of_runs(session):
    RunMaker(session.store, tags=["x"]).branch()
    row = session.runs("F")[0]
    assert row["pathspec"] == "F/1"
    assert (row["status"], row["finished"], row["successful"]) == ("completed", True, True)
    assert (row["created_at"], row["finished_at"]) == (1001.0, 3000.0)
    assert (row["tags"], row["system_tags"], row["user"]) == (["x"], ["user:alice"], "alice")
    assert session.runs("F") == session.runs()


def test_everything_about_a_run(session):
    made = RunMaker(session.store, origin={"run": "7"}, seed=11, versions={"R": "4.3"}, tags=["t"]).branch()
    run = session.run("F/1")
    assert (run["pathspec"], run["flow"], run["run"]) == ("F/1", "F", "1")
    assert (run["origin_run"], run["origin_pathspec"]) == ("7", "F/7")
    assert (run["seed"], run["versions"], run["tags"]) == (11, {"R": "4.3"}, ["t"])
    assert run["end_task"] == "F/1/end/5"
    assert session.spec("F/1")["steps"] == BRANCH
    assert made.pathspec == run["pathspec"]


def test_everything_is_json(session):
    RunMaker(session.store).branch()
    answers = [
        session.flows(),
        session.flow("F"),
        session.runs(),
        session.run("F/1"),
        session.latest_run("F"),
        session.spec("F/1"),
        session.steps("F/1"),
        session.step("F/1/a"),
        session.tasks("F/1"),
        session.task("F/1/a/2"),
        session.attempts("F/1/a/2"),
        session.artifacts("F/1"),
        session.locate("F/1/end/5/x"),
        session.log("F/1/a/2"),
        session.loglines("F/1"),
        session.parents("F/1/a/2"),
        session.children("F/1/a/2"),
        session.add_tags("F/1", ["t"]),
        session.reindex(),
    ]
    assert json.loads(json.dumps(answers, allow_nan=False)) == answers


def test_looking_creates_nothing(session):
    session.flows()
    session.runs()
    session.latest_run("F")
    assert not os.path.exists(session.store.storage.root)


# -- statuses


def test_a_run_whose_process_is_gone_reads_as_lost(session):
    RunMaker(session.store, **DEAD)
    RunMaker(session.store)
    assert [row["status"] for row in session.runs("F")] == ["running", "lost"]
    assert session.run("F/1")["status"] == "lost"
    assert session.run("F/1")["finished"] is True and session.run("F/1")["successful"] is False
    assert session.flows()[0]["status"] == "running"


def test_lost_and_running_are_told_apart_by_where(session):
    RunMaker(session.store, **DEAD)
    RunMaker(session.store)
    RunMaker(session.store).finish()
    RunMaker(session.store, **DEAD)

    def found(**more):
        return [row["run"] for row in session.runs("F", **more)]

    assert found(where={"status": "lost"}) == ["4", "1"]
    assert found(where={"status": "running"}) == ["2"]
    assert found(where={"status": ["lost", "completed"]}) == ["4", "3", "1"]
    assert found(where={"status": "lost"}, limit=1) == ["4"]
    assert found(where={"status": "lost"}, limit=1, offset=1) == ["1"]
    assert found(where={"status": "completed"}) == ["3"]
    assert found(limit=2, offset=1) == ["3", "2"]


def test_an_unknown_status_or_condition(session):
    RunMaker(session.store)
    with pytest.raises(UnknownOption) as caught:
        session.runs("F", {"status": "complete"})
    assert "'completed'" in caught.value.hint
    with pytest.raises(UnknownOption) as caught:
        session.runs("F", {"tag": "x"})
    assert "'tags_all'" in caught.value.hint or "tags_all" in caught.value.hint


def test_where_is_not_changed(session):
    RunMaker(session.store)
    where = {"status": "running"}
    session.runs("F", where)
    assert where == {"status": "running"}


def test_runs_by_tags_and_time(session):
    RunMaker(session.store, tags=["a"]).finish()
    RunMaker(session.store, tags=["a", "b"]).finish()
    assert [row["run"] for row in session.runs("F", {"tags_all": ["a", "b"]})] == ["2"]
    assert [row["run"] for row in session.runs("F", {"tags_all": ["user:alice", "a"]})] == ["2", "1"]
    assert [row["run"] for row in session.runs("F", {"created_after": 1001.5})] == ["2"]


def test_the_namespace_of_where_wins(session):
    RunMaker(session.store, user="bob").finish()
    session.namespace = "user:alice"
    assert session.runs("F") == []
    assert len(session.runs("F", {"namespace": "user:bob"})) == 1
    assert len(session.runs("F", {"namespace": None})) == 1


def test_a_run_that_another_process_started_shows_at_once(session):
    RunMaker(session.store).finish()
    assert len(session.runs("F")) == 1
    other = Session(session.settings)
    RunMaker(other.store)
    assert [row["status"] for row in session.runs("F")] == ["running", "completed"]
    other.close()


def test_ten_thousand_runs_are_listed_through_the_index(session, tmp_path):
    # The records are written straight to the disk: making them by the store is not what is measured.
    RunMaker(session.store).finish()
    root = session.store.storage.root
    record = session.store.runs.read_run("F", "1")
    with open(os.path.join(root, "flows/F/1/status.json"), "rb") as file:
        status = file.read()
    for number in range(2, 10_001):
        folder = os.path.join(root, "flows/F", str(number))
        os.mkdir(folder)
        with open(os.path.join(folder, "run.json"), "w") as file:
            json.dump({**record, "run": str(number), "spec": {}}, file)
        with open(os.path.join(folder, "status.json"), "wb") as file:
            file.write(status)
    started = time.perf_counter()
    assert len(session.runs("F")) == 10_000  # the first time they are read in
    first = time.perf_counter() - started
    started = time.perf_counter()
    assert len(session.runs("F")) == 10_000
    again = time.perf_counter() - started
    started = time.perf_counter()
    assert [row["run"] for row in session.runs("F", limit=3)] == ["10000", "9999", "9998"]
    three = time.perf_counter() - started
    print(f"first {first:.2f} s, again {again:.2f} s, three of them {three:.3f} s")
    assert first < 15 and again < 2 and three < 0.5
    assert session.runs("F", where={"status": "running"}) == []


# -- steps


def test_steps_come_in_the_order_of_the_flow(session):
    made = RunMaker(session.store)
    made.task("start")
    made.task("b", ["start/1"], ok=False)
    steps = session.steps("F/1")
    assert [step["step"] for step in steps] == ["start", "a", "b", "join", "end"]
    assert [step["status"] for step in steps] == ["done", None, "failed", None, None]
    assert [step["total"] for step in steps] == [1, 0, 1, 0, 0]
    assert steps[0]["next"] == ["a", "b"] and steps[3]["join"] is True
    assert session.step("F/1/b") == steps[2]
    assert (steps[0]["started_at"], steps[0]["finished_at"], steps[1]["started_at"]) == (2001.0, 2002.0, None)


def test_a_run_without_a_spec_shows_what_ran(session):
    made = RunMaker(session.store, steps=[])
    made.task("zeta")
    made.task("alpha")
    assert [step["step"] for step in session.steps("F/1")] == ["alpha", "zeta"]
    assert session.step("F/1/zeta")["status"] == "done"


@pytest.mark.parametrize("end, shown", [(None, "running"), ("failed", "lost"), ("interrupted", "interrupted")])
def test_a_step_that_was_running_when_its_run_ended(session, end, shown):
    made = RunMaker(session.store)
    made.started("start")
    session.store.index.record_tasks(
        [{"flow": "F", "run": "1", "step": "start", "task": "1", "attempt": 0, "status": "running"}]
    )
    if end:
        made.finish(end)
    assert session.step("F/1/start")["status"] == shown
    assert session.step("F/1/start")["tasks"] == {shown: 1}
    assert [row["status"] for row in session.tasks("F/1/start")] == [shown]
    assert session.task("F/1/start/1")["status"] == shown


def test_a_step_of_a_lost_run(session):
    made = RunMaker(session.store, **DEAD)
    made.task("start")
    made.started("a")
    assert session.step("F/1/start")["status"] == "done"
    assert session.tasks("F/1/a")[0]["status"] == "lost"
    assert session.step("F/1/a")["tasks"] == {"lost": 1}
    # The status of the run was never brought up to date: the tasks themselves are counted.
    assert session.run("F/1")["tasks"] == {"done": 1, "failed": 0, "cloned": 0}
