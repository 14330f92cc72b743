"""Batches of task records: committed at once, read like those that have a file of their own."""

from __future__ import annotations

import pytest
from metaflow_core.errors import NotFound
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store.open import store_on
from metaflow_core.store.record_lines import RecordLines


@pytest.fixture
def store():
    store = store_on(MemoryStorage("batches"), lambda address, fill, identity: None)
    store.runs.claim_run("F", lambda run: {"format": 1, "flow": "F", "run": run, "created_at": 1.0})
    return store


def record(step, task, attempt=0, **more):
    return {
        "format": 1, "flow": "F", "run": "1", "step": step, "task": task, "attempt": attempt, "ok": True,
        "position": step, "parents": [], "inherits": None, "artifacts": {}, "removed": [], **more,
    }


def places(records):
    return [(r["step"], r["task"], r["attempt"]) for r in records]


def test_tasks_of_a_batch_are_listed_and_read_like_others(store):
    store.runs.batches.commit("F", "1", 0, [record("a", "2"), record("a", "10")])
    store.runs.batches.commit("F", "1", 1, [record("b", "3", note="second batch")])
    store.tasks.commit_task(record("c", "4"))
    assert store.runs.list_steps("F", "1") == ["a", "b", "c"]
    assert store.runs.list_tasks("F", "1", "a") == ["2", "10"]
    assert store.runs.list_attempts("F", "1", "a", "10") == [0]
    assert store.tasks.read_task("F", "1", "b", "3")["note"] == "second batch"
    assert store.tasks.read_task("F", "1", "b", "3", 0)["note"] == "second batch"
    assert list(store.tasks.read_attempts("F", "1", "a", "2").values()) == [record("a", "2")]
    assert places(store.tasks.read_tasks("F", "1")) == [("a", "2", 0), ("a", "10", 0), ("b", "3", 0), ("c", "4", 0)]
    assert places(store.tasks.read_tasks("F", "1", ["b"])) == [("b", "3", 0)]


def test_what_a_batch_does_not_have_is_not_found(store):
    store.runs.batches.commit("F", "1", 0, [record("a", "2")])
    with pytest.raises(NotFound):
        store.tasks.read_task("F", "1", "a", "3")
    with pytest.raises(NotFound):
        store.tasks.read_task("F", "1", "a", "2", 1)


def test_a_run_that_ended_is_read_from_one_file(store):
    lines = [store.tasks.commit_task(record("b", "2")), store.tasks.commit_task(record("a", "1"))]
    lines += store.runs.batches.commit("F", "1", 0, [record("c", "3")])
    assert store.runs.batches.whole("F", "1") is None
    store.runs.batches.complete("F", "1", RecordLines(lines))
    assert places(store.runs.batches.whole("F", "1")) == [("b", "2", 0), ("a", "1", 0), ("c", "3", 0)]
    assert places(store.tasks.read_tasks("F", "1")) == [("a", "1", 0), ("b", "2", 0), ("c", "3", 0)]
    assert places(store.tasks.read_tasks("F", "1", ["c"])) == [("c", "3", 0)]


def test_a_clone_inherits_from_a_clone(store):
    base = record("start", "1", artifacts={"x": {"digest": "d", "size": 1}})
    store.runs.batches.commit(
        "F", "1", 0, [base, record("a", "2", inherits="start/1/0", artifacts={"y": {"digest": "e", "size": 1}})]
    )
    found = store.tasks.resolve_artifacts(store.tasks.read_task("F", "1", "a", "2"))
    assert sorted(found) == ["x", "y"]


def test_a_store_that_was_begun_again_is_not_answered_from_memory(store):
    store.runs.batches.commit("F", "1", 0, [record("a", "2")])
    assert store.runs.list_tasks("F", "1", "a") == ["2"]
    store.storage.delete_tree("flows/F")
    assert store.runs.list_tasks("F", "1", "a") == []
