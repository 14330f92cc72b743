"""Copies of a datastore between storages of both kinds."""

import itertools

import pytest
from metaflow_core.errors import StoreConflict, StoreError, StoreTooNew
from metaflow_core.indexes.sqlite import SqliteIndex
from metaflow_core.settings import load_settings
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store import transfer
from metaflow_core.store.audit import AuditLog
from metaflow_core.store.blobs import digest_of
from metaflow_core.store.catalog import catch_up_runs, change_tags
from metaflow_core.store.check import check_store
from metaflow_core.store.layout import blob_key
from metaflow_core.store.open import open_store, store_on
from metaflow_core.store.transfer import copy_store
from suites.made_runs import RunMaker
from suites.processes import copies_that_are_killed


@pytest.fixture
def make(tmp_path):
    numbers = itertools.count()

    def store(kind="local"):
        if kind == "memory":
            return store_on(MemoryStorage(), SqliteIndex)
        return open_store(load_settings(arguments={"datastore_root": str(tmp_path / f"root{next(numbers)}")}))

    return store


@pytest.fixture(params=["local local", "local memory", "memory local"])
def pair(request, make):
    return [make(kind) for kind in request.param.split()]


def content(store):
    keys = [entry.key for folder in ("flows", "blobs", "audit") for entry in store.storage.walk(folder)]
    return store.storage.read_many(keys)


def test_everything_is_copied(pair):
    source, target = pair
    RunMaker(source, tags=["x"], code=source.blobs.put_bytes(b"code")).branch()
    RunMaker(source, flow="G").finish("failed")
    AuditLog(source.storage).write("run started", "alice", flow="F", run="1")
    told = copy_store(source, target)
    assert (told["runs"], told["blobs"], told["skipped"], told["problems"]) == (2, 6, [], [])
    assert content(target) == content(source)
    assert check_store(target)["problems"] == []
    catch_up_runs(target)
    assert [row["tags"] for row in target.index.runs("F")] == [["x"]]


def test_the_second_copy_brings_what_is_new_and_what_changed(pair):
    source, target = pair
    RunMaker(source).branch()
    copy_store(source, target)
    assert copy_store(source, target)["runs"] == 0
    RunMaker(source).branch()
    change_tags(source, "F", "1", lambda tags: {"good"})
    told = copy_store(source, target)
    assert (told["runs"], told["blobs"]) == (2, 0)
    assert content(target) == content(source)


def test_tags_that_were_changed_over_there_are_kept(pair):
    source, target = pair
    RunMaker(source).branch()
    copy_store(source, target)
    change_tags(target, "F", "1", lambda tags: {"theirs"})
    change_tags(target, "F", "1", lambda tags: {"theirs", "again"})
    change_tags(source, "F", "1", lambda tags: {"ours"})
    copy_store(source, target)
    assert target.runs.read_tags("F", "1")["tags"] == ["again", "theirs"]


def test_a_run_that_goes_on_is_left_for_the_next_time(pair):
    source, target = pair
    made = RunMaker(source)
    made.task("start")
    assert copy_store(source, target)["skipped"] == ["F/1"]
    assert target.runs.list_runs("F") == []
    made.finish()
    copy_store(source, target)
    assert content(target) == content(source)


def test_an_id_that_is_taken_by_another_run_is_refused_before_anything_is_written(pair):
    source, target = pair
    RunMaker(source).branch()
    RunMaker(source, user="somebody").branch()
    RunMaker(target).branch()
    RunMaker(target, user="somebody else").branch()
    before = content(target)
    with pytest.raises(StoreConflict) as caught:
        copy_store(source, target)
    assert "F/2" in caught.value.message
    assert content(target) == before


def test_a_damaged_blob_is_named_and_not_copied(pair):
    source, target = pair
    RunMaker(source).branch()
    key = blob_key(digest_of(b"best"))
    source.storage.write(key, b"bast")
    told = copy_store(source, target)
    assert [problem.split(":")[0] for problem in told["problems"]] == [key]
    assert not target.storage.exists(key)
    assert [(row["problem"], row["key"]) for row in check_store(target)["problems"]] == [("missing", key)]


def test_large_blobs_and_files_go_by_way_of_files(pair, monkeypatch):
    monkeypatch.setattr(transfer, "_IN_MEMORY_BYTES", 2)
    source, target = pair
    RunMaker(source).branch()
    copy_store(source, target)
    assert content(target) == content(source)
    assert check_store(source)["ok"]


def test_no_store_a_newer_store_and_the_same_store(make):
    source, target = make(), make()
    with pytest.raises(StoreError, match="no datastore"):
        copy_store(source, target)
    RunMaker(source).branch()
    with pytest.raises(StoreError, match="onto itself"):
        copy_store(source, source)
    target.storage.write("format.json", b'{"store_format": 99}')
    with pytest.raises(StoreTooNew):
        copy_store(source, target)


def test_kill_9_in_the_middle_of_a_copy_is_mended_by_the_next(make):
    source, target = make(), make()
    for _ in range(30):
        RunMaker(source).branch()
    copies_that_are_killed(source.storage.root, target.storage.root, ("5", "17"))
    copy_store(source, target)
    assert content(target) == content(source)
    assert check_store(target)["problems"] == []
