"""Logs that are followed while they are written."""

import threading
import time

import pytest
from metaflow_core.bridge import call
from metaflow_core.client.follow import LogFollower
from metaflow_core.client.session import Session
from metaflow_core.errors import NotFound, UnknownOption
from metaflow_core.settings import load_settings
from metaflow_core.store.logs import log_key
from metaflow_core.store.open import open_store
from suites.made_runs import RunMaker


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request, tmp_path):
    index = "sqlite"
    if request.param == "postgres":
        index = request.getfixturevalue("postgres_server").new_database()
    return load_settings(arguments={"datastore_root": str(tmp_path / "root"), "index": index})


@pytest.fixture
def store(settings):
    store = open_store(settings)
    yield store
    store.close()


@pytest.fixture
def follow(settings):
    """A follower with a store of its own, as on another machine."""
    opened = []

    def make(pathspec, **more):
        opened.append(open_store(settings))
        return LogFollower(Session(settings, None, opened[-1]), pathspec, **more)

    yield make
    for store in opened:
        store.close()


def lines(follower, timeout=0.0):
    return [f"{row['step']}/{row['task']}/{row['attempt']} {row['line']}" for row in follower.advance(timeout)]


def write(store, made, step, task, text, stream="stdout", attempt=0):
    key = log_key(made.flow, made.run, step, task, attempt, stream)
    before = store.storage.read(key) if store.storage.exists(key) else b""
    store.storage.write(key, before + text)


def test_lines_come_as_they_are_written_and_whole(store, follow):
    made = RunMaker(store)
    made.task("start", stdout=b"hello\nfrom start\n")
    made.started("a", "2", stdout=b"one\ntw")
    follower = follow("F/1")
    assert sorted(lines(follower)) == ["a/2/0 one", "start/1/0 from start", "start/1/0 hello"]
    assert lines(follower) == []
    write(store, made, "a", "2", b"o\n\xc3")
    assert lines(follower) == ["a/2/0 two"]
    write(store, made, "a", "2", b"\xa9\nlast")
    made.started("b", "3", stderr=b"careful\n")
    assert sorted(lines(follower)) == ["a/2/0 \u00e9", "b/3/0 careful"]
    made.task("a", task="2", stdout=b"one\ntwo\n\xc3\xa9\nlast")
    made.finish("failed")
    assert lines(follower) == ["a/2/0 last"]
    assert lines(follower) == [] and follower.finished and follower.status == "failed"


def test_every_attempt_is_followed(store, follow):
    made = RunMaker(store)
    made.started("a", "1", stdout=b"first\n")
    follower = follow("F/1/a/1")
    assert lines(follower) == ["a/1/0 first"]
    made.task("a", task="1", ok=False, stdout=b"first\nbroken", error={"cause": "error", "message": "m"})
    made.started("a", "1", attempt=1, stdout=b"second\n")
    store.index.record_tasks([{"flow": "F", "run": "1", "step": "a", "task": "1", "attempt": 1, "status": "running"}])
    made.started("b", "2", stdout=b"of another\n")
    assert lines(follower) == ["a/1/0 broken", "a/1/1 second"]
    made.task("a", task="1", attempt=1, stdout=b"second\n")
    made.finish()
    assert lines(follower) == [] and follower.finished


def test_an_attempt_that_failed_before_anybody_looked(store, follow):
    made = RunMaker(store)
    made.task("a", task="1", attempt=0, ok=False, stdout=b"first\n")
    made.started("a", "1", attempt=1, stdout=b"second\n")
    store.index.record_tasks([{"flow": "F", "run": "1", "step": "a", "task": "1", "attempt": 1, "status": "running"}])
    assert lines(follow("F/1")) == ["a/1/0 first", "a/1/1 second"]


def test_one_stream_of_one_step(store, follow):
    made = RunMaker(store)
    made.task("start", stdout=b"out\n", stderr=b"err\n")
    made.task("a", stdout=b"out\n", stderr=b"err of a\n")
    made.finish()
    assert lines(follow("F/1/a", streams=["stderr"])) == ["a/2/0 err of a"]


def test_waiting_ends_with_the_first_line(store, follow):
    made = RunMaker(store)
    made.started("start", "1", stdout=b"")
    follower = follow("F/1")
    assert lines(follower) == []
    began = time.monotonic()
    later = threading.Timer(0.3, lambda: (write(store, made, "start", "1", b"now\n"), store.index.announce("F", "1")))
    later.start()
    assert lines(follower, timeout=60) == ["start/1/0 now"]
    assert time.monotonic() - began < 30
    later.join()


def test_a_run_that_was_killed_is_read_to_its_end(store, follow):
    made = RunMaker(store)
    made.started("start", "1", stdout=b"so far, and then")
    follower = follow("F/1")
    assert lines(follower) == []
    store.runs.update_status("F", "1", lambda status: {**status, "pid_start": "gone", "pid": 2**22 + 1})
    assert lines(follower) == ["start/1/0 so far, and then"]
    assert follower.finished and follower.status == "lost"


def test_what_is_not_there(store, follow):
    RunMaker(store)
    with pytest.raises(NotFound):
        follow("F/2")
    with pytest.raises(UnknownOption):
        follow("F/1", streams=["stdin"])


def test_the_bridge_follows_in_slices(store, settings):
    import json

    def ask(method, **arguments):
        answer = json.loads(call(method, json.dumps(arguments)))
        return answer["ok"]

    made = RunMaker(store)
    made.task("start", stdout=b"hello\n")
    view = {"datastore": "local", "datastore_root": settings.datastore_root, "index": settings.index,
            "metadata": "local", "namespace": [None]}
    follower = ask("follow.start", view=view, pathspec="F/1", streams=["stdout"])
    told = ask("follow.advance", follower=follower, timeout=0)
    assert (told["lines"]["line"], told["finished"], told["status"]) == (["hello"], False, "running")
    assert ask("follow.wait", view=view, pathspec="F/1", timeout=0.1) == "running"
    made.finish()
    told = ask("follow.advance", follower=follower, timeout=5)
    assert (told["lines"]["line"], told["finished"], told["status"]) == ([], True, "completed")
    assert ask("follow.wait", view=view, pathspec="F/1", timeout=60) == "completed"
    ask("follow.stop", follower=follower)
