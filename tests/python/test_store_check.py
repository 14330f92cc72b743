import os

import pytest
from metaflow_core.errors import StoreTooNew
from metaflow_core.indexes.sqlite import SqliteIndex
from metaflow_core.settings import load_settings
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store.blobs import digest_of
from metaflow_core.store.check import check_store
from metaflow_core.store.layout import blob_key
from metaflow_core.store.open import open_store, store_on
from suites.made_runs import RunMaker


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    if request.param == "memory":
        return store_on(MemoryStorage(), SqliteIndex)
    return open_store(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))


def found(store):
    return [(row["problem"], row["key"]) for row in check_store(store)["problems"]]


def test_a_store_in_order(store):
    RunMaker(store, code=store.blobs.put_bytes(b"code"), tags=["x"]).branch()
    RunMaker(store, origin={"run": "1"}).branch()
    RunMaker(store)  # goes on
    result = check_store(store)
    assert result.pop("size_bytes") > 0
    assert result == {"problems": [], "flows": 1, "runs": 3, "tasks": 10, "blobs": 6, "ok": True}


def test_an_empty_store(store):
    assert check_store(store)["ok"]


def test_a_flipped_bit_is_found(store):
    RunMaker(store).branch()
    key = blob_key(digest_of(b"best"))
    store.storage.write(key, b"bast")
    (row,) = check_store(store)["problems"]
    assert (row["problem"], row["key"]) == ("damaged", key)
    assert "flows/F/1/join/4/0/task.json" in row["detail"]
    assert not check_store(store)["ok"]


def test_a_blob_that_is_gone_is_named_with_who_needs_it(store):
    RunMaker(store, code=digest_of(b"never written")).branch()
    store.storage.delete([blob_key(digest_of(b"best"))])
    gone = [blob_key(digest_of(data)) for data in (b"best", b"never written")]
    assert sorted(found(store)) == sorted(("missing", key) for key in gone)


def test_a_part_of_a_blob_is_checked_against_its_own_digest(store):
    made = RunMaker(store)
    pack = store.blobs.put_bytes(b"onetwo")
    good = {"digest": digest_of(b"one"), "blob": pack, "size": 3, "encoding": "r-serialize-3"}
    bad = {"digest": digest_of(b"TWO"), "blob": pack, "offset": 3, "size": 3, "encoding": "r-serialize-3"}
    made.task("start", artifacts={"good": good, "bad": bad})
    made.finish()
    (row,) = check_store(store)["problems"]
    assert (row["problem"], row["key"]) == ("damaged", "flows/F/1/start/1/0/task.json") and "byte 3" in row["detail"]


@pytest.mark.parametrize("name", ["run.json", "status.json", "tags.json", "start/1/0/task.json", "_tasks/0.jsonl"])
def test_a_record_that_cannot_be_read(store, name):
    RunMaker(store).branch()
    store.storage.write(f"flows/F/1/{name}", b"{ not json")
    assert ("damaged", f"flows/F/1/{name}") in found(store)


def test_what_points_at_nothing(store):
    made = RunMaker(store)
    made.task("start", inherits="nowhere/7/0")
    made.task("a", origin="F/99/a/1/0")
    made.finish()
    assert [key for _, key in found(store)] == ["flows/F/1/a/2/0/task.json", "flows/F/1/start/1/0/task.json"]
    assert {problem for problem, _ in found(store)} == {"missing"}


def test_what_killed_writers_leave_is_seen_and_is_no_damage(store):
    made = RunMaker(store)
    made.task("start")
    made.started("a", stdout=b"so far")
    assert found(store) == [], "it goes on"
    made.finish("interrupted")
    store.storage.write("flows/F/2/tags.json", b"{}")
    lonely = store.blobs.put_bytes(b"lonely")
    store.storage.write("blobs/zz/not-a-blob", b"")
    result = check_store(store)
    assert [(row["problem"], row["key"]) for row in result["problems"]] == [
        ("half-written", "blobs/zz/not-a-blob"), ("half-written", "flows/F/1/a/2/0"), ("half-written", "flows/F/2"),
        ("unreferenced", blob_key(lonely)),
    ]
    assert result["ok"]


def test_a_newer_store_says_upgrade(store):
    RunMaker(store)
    store.storage.write("format.json", b'{"store_format": 99}')
    with pytest.raises(StoreTooNew) as caught:
        check_store(store)
    assert "Upgrade" in caught.value.hint


def test_checking_changes_nothing(tmp_path):
    store = open_store(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    RunMaker(store).branch()

    def state():
        paths = [store.storage.local_path(entry.key) for entry in store.storage.walk()]
        return {path: os.stat(path).st_mtime_ns for path in paths}

    before = state()
    check_store(store)
    assert state() == before
