import itertools
import json
import os
import re

import pytest
from flows import SHAPES, decorator, flow, of_shape, shape, step
from metaflow_core.engine import loop as loop_module
from metaflow_core.errors import ResumeError, StoreError
from metaflow_core.storages.local import LocalStorage
from metaflow_core.store.liveness import shown_status
from scripted_backend import BROKEN, HANG, VANISH, Engine, events, fail, leave, succeed


@pytest.fixture
def engine(tmp_path):
    def make(spec):
        return Engine(tmp_path / "store", (shape(spec) if isinstance(spec, str) else spec).to_dict())

    return make


def failing(*places, how=fail, attempts=99):
    """A behaviour: tasks at these positions go wrong in their first `attempts` attempts, all others succeed."""

    def behave(order):
        if order["position"] in places and order["attempt"] < attempts and not order.get("fallback"):
            return how(order) if callable(how) else how
        # The attempt that only says why others died ends well when it is to catch that.
        return fail(order, order["fallback"]["message"]) if order.get("fallback") else succeed(order)

    return behave


def one_step(*decorators):
    return flow(step("start", "a"), step("a", "end", decorators=list(decorators)), step("end"))


# -- a run


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
@pytest.mark.parametrize("slots", [1, 4])
def test_every_shape_runs_and_everything_is_in_the_store(engine, entry, slots):
    engine = engine(of_shape(entry))
    loop = engine.run(slots=slots)
    assert loop.status == "completed"
    status = engine.status("1")
    records = engine.records("1")
    assert (status["status"], status["tasks"]) == ("completed", {"done": len(records), "failed": 0, "cloned": 0})
    assert sorted(int(record["task"]) for record in records.values()) == list(range(1, len(records) + 1))
    for record in records.values():
        assert record["ok"] is True
        assert record["error"] is None
        assert os.listdir(os.path.join(engine.root, "flows/TestFlow/1", record["step"], record["task"], "0")) == [
            "task.json"
        ]
    artifacts = engine.artifacts("1")
    assert all("of_" + re.split(r"[#\[]", place)[0] in found for place, found in artifacts.items())


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
def test_the_number_of_slots_changes_nothing(tmp_path, entry):
    spec = of_shape(entry).to_dict()
    found = []
    for slots in (1, 3):
        engine = Engine(tmp_path / str(slots) / "store", spec)
        os.makedirs(tmp_path / str(slots))
        engine.run(slots=slots)
        found.append(engine.artifacts("1"))
    assert found[0] == found[1]


def test_events_tell_the_story_in_order(engine):
    loop = engine("foreach").run(slots=1)
    told = [(event["event"], event.get("position")) for event in loop.told]
    assert told == [
        ("started", "start"),
        ("done", "start"),
        ("split", "start"),
        ("started", "inner[0]"),
        ("done", "inner[0]"),
        ("started", "inner[1]"),
        ("done", "inner[1]"),
        ("started", "join"),
        ("done", "join"),
        ("started", "end"),
        ("done", "end"),
        ("finished", None),
    ]


def test_a_task_is_in_the_store_before_anybody_is_told(engine):
    engine = engine("linear")
    loop, _ = engine.begin(succeed)
    while not loop.finished:
        for event in loop.advance(0):
            if event["event"] == "done":
                assert event["position"] in engine.records("1")


def test_no_more_tasks_at_once_than_slots(engine):
    engine = engine("foreach")
    most = 0

    def behave(order):
        nonlocal most
        most = max(most, len(backend.running))
        return succeed(order, count=20)

    loop, backend = engine.begin(behave, slots=3)
    engine.finish(loop)
    assert most == 3


def test_output_is_told_while_a_task_runs_and_to_the_end(engine):
    def behave(order):
        with open(os.path.join(order["dir"], "stdout.log"), "a") as file:
            file.write("hello\nlast")
        return succeed(order)

    engine = engine("single")
    loop = engine.run(behave)
    assert [(event["position"], event["lines"]) for event in events(loop, "output")] == [
        ("start", ["hello", "last"]),
        ("end", ["hello", "last"]),
    ]
    assert engine.records("1")["start"]["logs"] == {"stdout": 10, "stderr": 0}


# -- failures


def test_a_failing_task_fails_the_run_after_its_siblings(engine):
    engine = engine("foreach")
    loop = engine.run(failing("inner[0]"), slots=2)
    assert loop.status == "failed"
    assert set(engine.records("1")) == {"start", "inner[1]"}
    (failed,) = events(loop, "failed")
    assert (failed["position"], failed["error"]["message"], failed["will_retry"]) == ("inner[0]", "boom", False)
    (finished,) = events(loop, "finished")
    assert (finished["status"], finished["error"]["message"], finished["error"]["step"]) == ("failed", "boom", "inner")
    status = engine.status("1")
    assert (status["status"], status["error"]["message"], status["tasks"]["failed"]) == ("failed", "boom", 1)
    record = engine.open().tasks.read_task("TestFlow", "1", "inner", "2", 0)
    assert (record["ok"], record["error"]["message"]) == (False, "boom")
    assert engine.read(engine.open(), record["error"]["condition"]) == b"boom"


def test_a_task_whose_process_dies_fails_the_run(engine):
    engine = engine("linear")
    loop = engine.run(failing("a", how=VANISH))
    assert loop.status == "failed"
    assert events(loop, "failed")[0]["cause"] == "crash"
    assert engine.open().tasks.read_task("TestFlow", "1", "a", "2", 0)["error"]["message"].endswith("(signal 9).")


def test_when_no_worker_starts_the_run_fails_and_says_why(engine):
    engine = engine("foreach")
    loop = engine.run(failing("inner[0]", how=BROKEN), slots=3)
    assert loop.status == "failed"
    assert engine.status("1")["error"]["message"] == "R does not start"
    assert engine.resume().status == "completed"


@pytest.mark.parametrize("how", [fail, VANISH])
def test_retry_runs_a_task_again_as_often_as_it_says(engine, how):
    engine = engine(one_step(decorator("retry", times=2, minutes_between_retries=0)))
    loop = engine.run(failing("a", how=how, attempts=2))
    assert loop.status == "completed"
    attempts = engine.open().tasks.read_attempts("TestFlow", "1", "a", "2")
    assert [(number, record["ok"]) for number, record in attempts.items()] == [(0, False), (1, False), (2, True)]
    assert [event["will_retry"] for event in events(loop, "failed")] == [True, True]
    assert engine.status("1")["tasks"] == {"done": 3, "failed": 0, "cloned": 0}


def test_every_attempt_of_a_task_has_the_same_seed(engine):
    engine = engine(one_step(decorator("retry", times=2, minutes_between_retries=0)))
    engine.run(failing("a", attempts=2))
    assert (
        len({record["seed"] for record in engine.open().tasks.read_attempts("TestFlow", "1", "a", "2").values()}) == 1
    )


def test_catch_goes_on_with_the_condition(engine):
    engine = engine(one_step(decorator("catch", var="problem")))
    loop = engine.run(failing("a"))
    assert loop.status == "completed"
    assert engine.artifacts("1")["end"]["problem"] == b"boom"
    record = engine.records("1")["a"]
    assert (record["caught"], record["error"]["message"], record["attempt"]) == ("problem", "boom", 0)


def test_catch_goes_on_when_the_process_died(engine):
    engine = engine(one_step(decorator("catch", var="problem"), decorator("retry", times=1, minutes_between_retries=0)))
    loop = engine.run(failing("a", how=VANISH))
    assert loop.status == "completed"
    assert b"was killed" in engine.artifacts("1")["end"]["problem"]
    assert engine.records("1")["a"]["attempt"] == 2


def test_a_task_that_runs_too_long_is_cancelled(engine):
    engine = engine(one_step(decorator("timeout", seconds=1)))
    loop, backend = engine.begin(failing("a", how=HANG))
    engine.finish(loop)
    assert loop.status == "failed"
    assert backend.cancelled == ["a/2"]
    assert events(loop, "failed")[0]["cause"] == "timeout"
    assert "1 seconds" in engine.status("1")["error"]["message"]


def test_a_result_that_came_just_before_the_limit_counts(engine):
    """The task is done, only its report was not heard yet when its time was up."""
    engine = engine(one_step(decorator("timeout", seconds=1)))

    def behave(order):
        if order["position"] == "a" and "a/2" not in backend.cancelled:
            return HANG
        return succeed(order)

    loop, backend = engine.begin(behave)
    cancel = backend.cancel

    def cancel_after_the_end(keys):
        for key in keys:
            leave(backend.running[key], succeed(backend.running[key]))
        cancel(keys)

    backend.cancel = cancel_after_the_end
    assert engine.finish(loop).status == "completed"


def test_a_result_that_cannot_be_read_fails_the_run(engine):
    def behave(order):
        if order["position"] == "a":
            with open(os.path.join(order["dir"], "result.json"), "wb") as file:
                file.write(b'{"ok": \xff')
            return VANISH
        return succeed(order)

    engine = engine("linear")
    loop = engine.run(behave)
    assert loop.status == "failed"
    assert "a/2" in engine.status("1")["error"]["message"]
    assert engine.resume().status == "completed"


@pytest.mark.parametrize("place", ["start", "a", "end"])
def test_a_result_that_cannot_be_stored_fails_the_run(engine, place):
    def behave(order):
        result = succeed(order)
        if order["position"] == place:
            del result["files"]["pack"]
        return result

    engine = engine("linear")
    loop = engine.run(behave)
    assert loop.status == "failed"
    assert "could not be stored" in engine.status("1")["error"]["message"]
    assert place not in engine.records("1")
    assert engine.status("1")["tasks"]["done"] == len(engine.records("1"))
    assert engine.resume().status == "completed"


class FullStorage(LocalStorage):
    """A disk that is full as soon as somebody says so: no task can be committed any more."""

    full = False

    def create(self, key, data):
        self._check(key)
        return super().create(key, data)

    def write(self, key, data):
        self._check(key)
        return super().write(key, data)

    def _check(self, key):
        if self.full and (key.endswith("task.json") or "/_tasks/" in key and "all" not in key):
            raise StoreError(f"{key} cannot be written: no space left on device")


@pytest.mark.parametrize("place", ["start", "a", "end"])
@pytest.mark.parametrize("outcome", [succeed, fail])
def test_a_full_disk_fails_the_run_at_once(engine, monkeypatch, place, outcome):
    engine = engine("linear")
    store = engine.open()
    store.storage.__class__ = FullStorage

    def behave(order):
        store.storage.full = order["position"] == place
        return outcome(order) if order["position"] == place else succeed(order)

    loop = engine.run(behave, store=store)
    assert loop.status == "failed"
    assert "no space left" in engine.status("1")["error"]["message"]
    assert place not in engine.records("1")
    assert engine.status("1")["tasks"]["done"] == len(engine.records("1"))
    assert engine.resume().status == "completed"


def test_a_full_disk_while_cloning_fails_the_run(engine):
    engine = engine("linear")
    engine.run(failing("end"))
    store = engine.open()
    store.storage.__class__ = FullStorage
    store.storage.full = True
    loop = engine.resume(store=store)
    assert loop.status == "failed"
    assert "no space left" in engine.status("2")["error"]["message"]
    assert (engine.records("2"), engine.status("2")["tasks"]["cloned"]) == ({}, 0)
    assert engine.resume(run="1").status == "completed"


def test_an_index_that_cannot_be_written_does_not_fail_the_run(engine, monkeypatch):
    engine = engine("linear")
    store = engine.open()

    def full(*args, **more):
        raise StoreError("the index cannot be written: disk full")

    monkeypatch.setattr(store.index, "record_tasks", full)
    monkeypatch.setattr(store.index, "record_status", full)
    loop = engine.run(store=store)
    assert loop.status == "completed"
    (warning,) = events(loop, "warning")
    assert "reindex()" in warning["text"]
    store = engine.open()
    store.reindex()
    assert store.index.run("TestFlow", "1")["status"] == "completed"
    assert len(store.index.tasks("TestFlow", "1")) == 4


def test_each_retry_tells_its_own_waiting_time(engine):
    spec = flow(
        step("start", ["a", "b"]),
        step("a", "join", decorators=[decorator("retry", times=1, minutes_between_retries=1)]),
        step("b", "join", decorators=[decorator("retry", times=1, minutes_between_retries=60)]),
        step("join", "end", join=True),
        step("end"),
    )
    loop, _ = engine(spec).begin(failing("a", "b"))
    told = []
    while sum(event["event"] == "failed" for event in told) < 2:
        told += loop.advance(0)
    loop.interrupt()
    waits = {event["position"]: event["retry_seconds"] for event in told if event["event"] == "failed"}
    assert waits == {"a": pytest.approx(60, abs=5), "b": pytest.approx(3600, abs=5)}


# -- interrupted


def test_an_interrupt_stops_what_runs_and_can_be_resumed(engine):
    engine = engine("foreach")
    loop, backend = engine.begin(failing("inner[0]", "inner[1]", how=HANG))
    while len(backend.running) < 2:
        loop.advance(0)
    told = loop.interrupt()
    assert sorted(backend.cancelled) == ["inner/2", "inner/3"]
    assert backend.closed
    assert told[-1]["event"] == "finished"
    assert (loop.finished, engine.status("1")["status"]) == (True, "interrupted")
    assert loop.interrupt() == []
    again = engine.resume()
    assert (again.status, again.scheduler.cloned) == ("completed", 1)


def test_what_runs_here_can_be_killed_before_anything_is_written(engine):
    engine = engine("foreach")
    loop, backend = engine.begin(failing("inner[0]", "inner[1]", how=HANG))
    while len(backend.running) < 2:
        loop.advance(0)
    loop.kill_local()
    assert sorted(backend.cancelled) == ["inner/2", "inner/3"]
    assert (backend.closed, engine.status("1")["status"]) == (False, "running")
    loop.interrupt()
    assert (loop.finished, engine.status("1")["status"]) == (True, "interrupted")
    loop.kill_local()
    assert engine.resume().status == "completed"


def commits_of(engine, run):
    """The positions of a run as whoever reads all of it sees them, and as whoever asks for each task."""
    store = engine.open()
    whole = {record["position"] for record in store.tasks.read_tasks("TestFlow", run) if record["ok"]}
    single = set()
    for name in store.runs.list_steps("TestFlow", run):
        for task in store.runs.list_tasks("TestFlow", run, name):
            for record in store.tasks.read_attempts("TestFlow", run, name, task).values():
                single |= {record["position"]} if record and record["ok"] else set()
    return whole, single


@pytest.mark.parametrize("method", ["commit_task", "commit"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_interrupt_during_a_commit_loses_nothing(engine, monkeypatch, method, after):
    engine = engine("foreach")
    engine.run(failing("inner[1]"), slots=1)
    store = engine.open()
    loop, _ = engine.begin(succeed, store=store, resume={"run": None})
    owner = store.tasks if method == "commit_task" else store.runs.batches
    commit = getattr(owner, method)

    def interrupted(*args, **more):
        if after:
            commit(*args, **more)
        raise KeyboardInterrupt

    monkeypatch.setattr(owner, method, interrupted)
    with pytest.raises(KeyboardInterrupt):
        while True:
            loop.advance(0)
    monkeypatch.undo()
    loop.interrupt()
    whole, single = commits_of(engine, "2")
    assert whole == single
    left = finished_folders(engine, "2") | whole
    again, backend = engine.begin(succeed, resume={"run": "2"})
    assert engine.finish(again).status == "completed"
    assert not {text.partition(" ")[0] for text in backend.submitted} & left
    assert engine.status("3")["status"] == "completed"


def test_what_was_adopted_is_seen_by_everybody(engine):
    engine = engine("linear")
    store = engine.open()
    store.storage.__class__ = FullStorage

    def behave(order):
        store.storage.full = order["position"] == "b"
        return succeed(order)

    assert engine.run(behave, store=store).status == "failed"
    assert engine.resume().status == "completed"
    assert engine.records("2")["b"]["origin"] == "TestFlow/1/b/3/0"
    whole, single = commits_of(engine, "1")
    assert whole == single == {"start", "a", "b"}


def test_an_interrupt_after_the_last_task_leaves_the_run_completed(engine):
    engine = engine("single")
    loop, _ = engine.begin(succeed)
    while loop.scheduler.status == "running":
        loop.advance(0)
    loop.interrupt()
    assert engine.status("1")["status"] == "completed"


def test_an_interrupt_while_the_run_is_being_ended_does_not_lose_the_end(engine, monkeypatch):
    engine = engine("single")
    store = engine.open()
    loop, _ = engine.begin(succeed, store=store)

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr(store.storage, "sync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        while True:
            loop.advance(0)
    monkeypatch.undo()
    assert [event["status"] for event in loop.interrupt() if event["event"] == "finished"] == ["completed"]
    assert engine.status("1")["status"] == "completed"


# -- resume


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
def test_resume_after_a_failure_in_each_task(tmp_path, entry):
    whole = Engine(tmp_path / "whole" / "store", of_shape(entry).to_dict())
    os.makedirs(tmp_path / "whole")
    whole.run()
    expected = whole.artifacts("1")
    for number, place in enumerate(expected):
        engine = Engine(tmp_path / str(number) / "store", of_shape(entry).to_dict())
        os.makedirs(tmp_path / str(number))
        engine.run(failing(place), slots=1)
        done = engine.records("1")
        loop, backend = engine.begin(succeed, resume={"run": None})
        assert engine.finish(loop).status == "completed"
        assert engine.artifacts("2") == expected
        assert {text.partition(" ")[0] for text in backend.submitted} == set(expected) - set(done)
        for position, record in engine.records("2").items():
            assert (record["origin"] is not None) == (position in done)


@pytest.mark.parametrize("entry", SHAPES, ids=lambda entry: entry["name"])
def test_each_task_is_run_again_by_itself(tmp_path, entry):
    """It has what it had, and so leaves what it left; what it came from is taken over, nothing else is there."""
    engine = Engine(made(tmp_path), of_shape(entry).to_dict())
    engine.run()
    records, artifacts = engine.records("1"), engine.artifacts("1")
    for number, (position, record) in enumerate(records.items(), start=2):
        place = f"{record['step']}/{record['task']}"
        loop, backend = engine.begin(succeed, resume={"run": "1", "task": place})
        assert engine.finish(loop).status == "completed", position
        assert [text.partition(" ")[0] for text in backend.submitted] == [position]
        assert engine.artifacts(str(number))[position] == artifacts[position]
        again = engine.records(str(number))
        assert {one for one, found in again.items() if not found["origin"]} == {position}


def made(path):
    path.mkdir(exist_ok=True)
    return path / "store"


def test_a_resumed_run_is_complete_in_itself_and_names_its_origin(engine):
    engine = engine("foreach")
    engine.run(failing("join"))
    engine.resume()
    run = engine.open().runs.read_run("TestFlow", "2")
    assert (run["origin"], run["seed"]) == ({"run": "1"}, engine.open().runs.read_run("TestFlow", "1")["seed"])
    assert engine.records("2")["inner[1]"]["origin"].startswith("TestFlow/1/inner/")
    assert set(engine.records("2")) == set(engine.records("1")) | {"join", "end"}
    assert engine.status("2")["tasks"] == {"done": 5, "failed": 0, "cloned": 3}


def test_a_running_run_is_not_resumed(engine):
    engine = engine("linear")
    engine.begin(failing("a", how=HANG))
    with pytest.raises(ResumeError, match="still running"):
        engine.resume()


def test_index_and_store_agree(engine):
    engine = engine("foreach")
    engine.run(failing("inner[1]"))
    engine.resume()
    for run in ("1", "2"):
        index = engine.open().index
        before = (
            index.tasks("TestFlow", run, all_attempts=True),
            index.counts("TestFlow", run),
            index.run("TestFlow", run),
        )
        engine.open().reindex()
        index = engine.open().index
        assert (
            index.tasks("TestFlow", run, all_attempts=True),
            index.counts("TestFlow", run),
            index.run("TestFlow", run),
        ) == before


# -- the scheduler is killed at any moment


class Killed(BaseException):
    """kill -9: nothing of this process runs after it."""


class MortalStorage(LocalStorage):
    """Dies at the operation number `last`: before it is done, or just after."""

    operations = 0
    last = 10**9
    after = False

    def _count(self, operation):
        self.operations += 1
        if self.operations < self.last:
            return operation()
        if self.operations > self.last:
            raise Killed  # a dead process does nothing more
        if self.after:
            operation()
        raise Killed


def _mortal(name):
    def method(self, *args, **more):
        return self._count(lambda: getattr(LocalStorage, name)(self, *args, **more))

    return method


for _name in ("create", "write", "write_if", "put_file", "read_many", "list_dirs", "sync"):
    setattr(MortalStorage, _name, _mortal(_name))


def run_until_killed(engine, last, after):
    """True when the run was killed before it was over. Tasks that were running end without their scheduler."""
    store = engine.open()
    store.storage.__class__ = MortalStorage
    store.storage.last, store.storage.after = last, after
    loop = None
    try:
        loop, backend = engine.begin(succeed, store=store)
        while not loop.finished:
            loop.advance(0)
        return False
    except Killed:
        if loop is not None:
            backend.finish_orphans()
        return True


@pytest.fixture
def dead(monkeypatch):
    """Runs that say "running" belong to a process that is gone."""
    monkeypatch.setattr("metaflow_core.engine.start.process_start", lambda pid: "gone")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_every_operation_a_run_can_be_resumed(tmp_path, monkeypatch, dead, after):
    monkeypatch.setattr(loop_module, "SYNC_SECONDS", 1e9)
    spec = flow(
        step("start", ["a", "b"]),
        step("a", "inner", foreach="xs"),
        step("inner", "inner_join"),
        step("inner_join", "join", join=True),
        step("b", "join"),
        step("join", "end", join=True),
        step("end"),
    ).to_dict()
    os.makedirs(tmp_path / "whole")
    whole = Engine(tmp_path / "whole" / "store", spec)
    whole.run()
    expected = whole.artifacts("1")
    for last in itertools.count(1):
        os.makedirs(tmp_path / str(last))
        engine = Engine(tmp_path / str(last) / "store", spec)
        killed = run_until_killed(engine, last, after)
        store = engine.open()
        runs = store.runs.list_runs("TestFlow")
        assert [row["run"] for row in store.index.runs("TestFlow")] == [
            run for run in runs if store.runs.exists("TestFlow", run)
        ]
        if not killed:
            break
        for run in runs:
            if store.runs.exists("TestFlow", run):
                assert shown_status(store.runs.read_status("TestFlow", run)) in ("lost", "completed")
        check_resume(engine, expected)
    assert last > 2 * len(expected)


def check_resume(engine, expected):
    store = engine.open()
    runs = [run for run in store.runs.list_runs("TestFlow") if store.runs.exists("TestFlow", run)]
    if not runs:
        assert engine.run().status == "completed"
        return
    left = finished_folders(engine)
    loop, backend = engine.begin(succeed, resume={"run": None})
    assert engine.finish(loop).status == "completed"
    assert engine.artifacts(loop.run) == expected
    ran = {text.partition(" ")[0] for text in backend.submitted}
    # Nothing that was done, whether somebody could commit it or not, is done again.
    assert not ran & left
    assert ran | left >= set(expected)


def finished_folders(engine, run="1"):
    """Positions of tasks that are committed in their folder, or that left a result which nobody committed."""
    found = set()
    for folder, _, names in os.walk(os.path.join(engine.root, "flows", "TestFlow", run)):
        for name in ("task.json", "result.json"):
            if name in names:
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    found.add(json.load(file)["position"])
    return found
