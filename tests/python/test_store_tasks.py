import os
import signal
import subprocess
import sys
import time

import pytest
from metaflow_core.errors import Corrupted, NotFound, StoreConflict
from metaflow_core.storages.local import LocalStorage
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store.logs import LogStore, origin_of
from metaflow_core.store.runs import RunStore
from metaflow_core.store.tasks import TaskStore, blob_of
from suites.processes import script


def artifact(letter):
    return {"digest": letter * 64, "size": 1}


def record(step="fit", task="1", attempt=0, **more):
    made = {
        "format": 1,
        "flow": "F",
        "run": "1",
        "step": step,
        "task": task,
        "attempt": attempt,
        "ok": True,
        "parents": [],
        "inherits": None,
        "artifacts": {},
        "removed": [],
        "origin": None,
    }
    return {**made, **more}


@pytest.fixture(params=["local", "memory"])
def storage(request, tmp_path):
    return LocalStorage(str(tmp_path / "root")) if request.param == "local" else MemoryStorage()


@pytest.fixture
def tasks(storage):
    return TaskStore(storage, RunStore(storage))


# -- committing


def test_a_committed_task_is_read(tasks):
    tasks.commit_task(record(artifacts={"x": artifact("a")}))
    assert tasks.read_task("F", "1", "fit", "1") == record(artifacts={"x": artifact("a")})
    assert tasks.read_task("F", "1", "fit", "1", 0)["artifacts"] == {"x": artifact("a")}


def test_a_commit_is_never_replaced(tasks):
    tasks.commit_task(record(ok=False))
    tasks.commit_task(record(ok=False))  # the same once more: what an adopter may do
    with pytest.raises(StoreConflict) as caught:
        tasks.commit_task(record(ok=True))
    assert "flows/F/1/fit/1/0/task.json" in caught.value.message
    assert tasks.read_task("F", "1", "fit", "1")["ok"] is False


def test_the_latest_finished_attempt(tasks, storage):
    for attempt in (0, 1, 10, 9):
        tasks.commit_task(record(attempt=attempt, ok=attempt == 10))
    storage.write("flows/F/1/fit/1/11/stdout.log", b"still running")
    assert tasks.read_task("F", "1", "fit", "1")["attempt"] == 10
    assert list(tasks.read_attempts("F", "1", "fit", "1")) == [0, 1, 9, 10, 11]
    assert tasks.read_attempts("F", "1", "fit", "1")[11] is None


def test_a_task_without_a_finished_attempt(tasks, storage):
    storage.write("flows/F/1/fit/1/0/stdout.log", b"")
    with pytest.raises(NotFound) as caught:
        tasks.read_task("F", "1", "fit", "1")
    assert "F/1/fit/1 has no finished attempt" in caught.value.message
    with pytest.raises(NotFound):
        tasks.read_task("F", "1", "fit", "1", 0)
    with pytest.raises(NotFound):
        tasks.read_task("F", "1", "fit", "2")


def test_all_tasks_of_a_run_in_order(tasks, storage):
    for step, task, attempt in (("fit", "10", 0), ("fit", "9", 1), ("fit", "9", 0), ("end", "11", 0)):
        tasks.commit_task(record(step, task, attempt))
    storage.write("flows/F/1/fit/12/0/stdout.log", b"")
    found = [(r["step"], r["task"], r["attempt"]) for r in tasks.read_tasks("F", "1")]
    assert found == [("end", "11", 0), ("fit", "9", 0), ("fit", "9", 1), ("fit", "10", 0)]
    assert [r["task"] for r in tasks.read_tasks("F", "1", ["end", "nothing"])] == ["11"]


def test_a_damaged_record_is_named(tasks, storage):
    tasks.commit_task(record())
    storage.write("flows/F/1/fit/1/0/task.json", b"")
    for call in (lambda: tasks.read_task("F", "1", "fit", "1"), lambda: tasks.read_tasks("F", "1")):
        with pytest.raises(Corrupted) as caught:
            call()
        assert "flows/F/1/fit/1/0/task.json" in caught.value.message


def test_kill_9_while_committing_leaves_whole_records(tmp_path):
    root = str(tmp_path / "root")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            script("""
            import itertools
            from metaflow_core.storages.local import LocalStorage
            from metaflow_core.store.runs import RunStore
            from metaflow_core.store.tasks import TaskStore
            storage = LocalStorage(sys.argv[1])
            tasks = TaskStore(storage, RunStore(storage))
            for n in itertools.count(1):
                record = {"format": 1, "flow": "F", "run": "1", "step": "fit", "task": str(n), "attempt": 0}
                tasks.commit_task({**record, "text": "x" * 100_000})
                print(n, flush=True)
        """),
            root,
        ],
        stdout=subprocess.PIPE,
    )
    for _ in range(20):
        last = int(process.stdout.readline())
    time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    last = int((process.stdout.read().split() or [last])[-1])
    process.wait()
    process.stdout.close()
    storage = LocalStorage(root)
    found = TaskStore(storage, RunStore(storage)).read_tasks("F", "1")
    # Everything that was announced is there, and whatever is there is whole.
    assert len(found) >= last
    assert all(len(r["text"]) == 100_000 for r in found)


def test_a_commit_is_fast_enough(tmp_path):
    storage = LocalStorage(str(tmp_path / "root"))
    tasks = TaskStore(storage, RunStore(storage))

    def seconds_of_one(number):
        started = time.perf_counter()
        tasks.commit_task(record(task=str(number)))
        return time.perf_counter() - started

    # 200 tasks a second leave 5 ms each for everything; the commit may have a fifth of that.
    # The fast half of them is looked at, because the machine may have other things to do.
    assert sorted(seconds_of_one(number) for number in range(1, 201))[100] < 0.001


# -- artifacts


def test_where_the_bytes_are():
    assert blob_of({"digest": "a", "size": 5}) == ("a", 0, 5)
    assert blob_of({"digest": "a", "size": 5, "blob": None, "offset": None}) == ("a", 0, 5)
    assert blob_of({"digest": "a", "size": 5, "blob": "b", "offset": 7}) == ("b", 7, 5)


def test_artifacts_come_from_the_lineage(tasks):
    tasks.commit_task(record("start", "1", artifacts={"x": artifact("a"), "y": artifact("b"), "z": artifact("c")}))
    tasks.commit_task(record("mid", "2", artifacts={"y": artifact("d")}, inherits="start/1/0", removed=["z"]))
    last = record("end", "3", artifacts={"w": artifact("e")}, inherits="mid/2/0")
    assert tasks.resolve_artifacts(last) == {"w": artifact("e"), "y": artifact("d"), "x": artifact("a")}


def test_a_removed_artifact_can_be_made_again(tasks):
    tasks.commit_task(record("start", "1", artifacts={"x": artifact("a")}))
    tasks.commit_task(record("mid", "2", inherits="start/1/0", removed=["x"]))
    assert tasks.resolve_artifacts(tasks.read_task("F", "1", "mid", "2")) == {}
    assert tasks.resolve_artifacts(record("end", "3", artifacts={"x": artifact("b")}, inherits="mid/2/0")) == {
        "x": artifact("b")
    }


def test_a_lineage_of_many_hops(tasks):
    tasks.commit_task(record("s0", "1", artifacts={"x": artifact("a")}))
    for number in range(1, 300):
        tasks.commit_task(record(f"s{number}", "1", inherits=f"s{number - 1}/1/0"))
    assert tasks.resolve_artifacts(record("end", "1", inherits="s299/1/0")) == {"x": artifact("a")}


def test_a_lineage_in_a_circle(tasks):
    tasks.commit_task(record("a", "1", inherits="b/1/0"))
    tasks.commit_task(record("b", "1", inherits="a/1/0"))
    with pytest.raises(Corrupted):
        tasks.resolve_artifacts(record("end", "1", inherits="a/1/0"))


def test_a_parent_that_is_missing_is_named(tasks):
    with pytest.raises(NotFound) as caught:
        tasks.resolve_artifacts(record("end", "1", inherits="fit/7/0"))
    assert "flows/F/1/fit/7/0/task.json" in caught.value.message


def test_siblings_read_their_parent_once(tasks, storage):
    tasks.commit_task(record("start", "1", artifacts={"x": artifact("a")}))
    known = {}
    tasks.resolve_artifacts(record("fit", "2", inherits="start/1/0"), known)
    storage.read = lambda key: pytest.fail("read again")
    assert tasks.resolve_artifacts(record("fit", "3", inherits="start/1/0"), known) == {"x": artifact("a")}


# -- logs


@pytest.fixture
def logs(storage):
    storage.write("flows/F/1/fit/7/0/stdout.log", b"0123456789")
    return LogStore(storage)


def test_logs_from_any_place_on(logs):
    place = ("F", "1", "fit", "7", 0)
    assert logs.read(*place, "stdout") == b"0123456789"
    assert logs.read(*place, "stdout", offset=8) == b"89"
    assert logs.read(*place, "stdout", offset=2, max_bytes=3) == b"234"
    assert logs.read(*place, "stdout", offset=10) == logs.read(*place, "stdout", offset=99) == b""
    assert logs.read(*place, "stderr") == b""
    assert logs.sizes(*place) == {"stdout": 10, "stderr": 0}


def test_only_two_streams(logs):
    with pytest.raises(Exception) as caught:
        logs.read("F", "1", "fit", "7", 0, "stdin")
    assert "stdin" in caught.value.message


def test_the_path_a_worker_writes_to(logs, storage):
    path = logs.log_path("F", "1", "fit", "7", 0, "stdout")
    assert (path is None) is (storage.name == "memory")
    assert path is None or os.path.getsize(path) == 10


def test_the_origin_of_a_clone():
    assert origin_of(record()) is None
    assert origin_of(record(origin="F/11/fit/7/2")) == {
        "flow": "F",
        "run": "11",
        "step": "fit",
        "task": "7",
        "attempt": 2,
    }
