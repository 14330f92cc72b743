"""Upkeep of a datastore on a real S3 server: the same as in a folder, where clocks, listings and copies are requests."""

import time

import pytest
from metaflow_core.settings import load_settings
from metaflow_core.store import sweeping
from metaflow_core.store.audit import AuditLog
from metaflow_core.store.blobs import digest_of
from metaflow_core.store.check import check_store
from metaflow_core.store.gc import perform_gc
from metaflow_core.store.layout import blob_key
from metaflow_core.store.open import open_store
from metaflow_core.store.transfer import copy_store
from suites.made_runs import RunMaker
from suites.processes import copies_that_are_killed


@pytest.fixture
def store(s3_root):
    return open_store(load_settings(arguments={"datastore": "s3", "datastore_root": s3_root}))


@pytest.fixture
def local(tmp_path):
    return lambda name: open_store(load_settings(arguments={"datastore_root": str(tmp_path / name)}))


def content(store):
    keys = [entry.key for folder in ("flows", "blobs", "audit") for entry in store.storage.walk(folder)]
    return store.storage.read_many(keys)


def test_there_and_back(store, local):
    source, back = local("source"), local("back")
    large = b"".join(b"%09d\n" % n for n in range(200_000))  # pays to be compressed
    for n in range(3):
        made = RunMaker(source, tags=["x"])
        made.task("start", artifacts={"large": made.artifact(large), "n": made.artifact(b"%d" % n)}, stdout=b"hello\n")
        made.finish()
    AuditLog(source.storage).write("run started", "alice", flow="F", run="1")
    assert copy_store(source, store)["runs"] == 3
    assert check_store(store)["problems"] == []
    told = copy_store(source, store)
    assert (told["runs"], told["blobs"], told["size_bytes"]) == (0, 0, 0)
    assert copy_store(store, back)["problems"] == []
    assert content(back) == content(source)
    assert check_store(back)["problems"] == []


def test_ids_are_claimed_and_records_changed_by_conditional_writes(store):
    sent = []

    def note(request, **_):
        if request.method == "PUT":
            condition = [name for name in ("If-None-Match", "If-Match") if name in request.headers]
            sent.append((request.url.rpartition("/")[2], *condition))

    store.storage._bucket.connection.client.meta.events.register("before-send.s3.PutObject", note)
    made = RunMaker(store)
    for tags in ({"a"}, {"b"}):
        store.runs.change_tags(made.flow, made.run, lambda now, tags=tags: now | tags)
    assert [each for each in sent if each[0] in ("run.json", "tags.json")] == [
        ("run.json", "If-None-Match"), ("tags.json", "If-None-Match"), ("tags.json", "If-Match"),
    ]
    assert store.runs.read_tags(made.flow, made.run)["tags"] == ["a", "b"]


def test_a_copy_to_s3_that_was_killed_goes_on(store, local, s3_root):
    source = local("source")
    for n in range(12):
        made = RunMaker(source)
        made.task("start", artifacts={"x": made.artifact(b"%d" % n * 100_000)})
        made.finish()
    copies_that_are_killed(source.storage.root, s3_root, ("3", "8"))
    told = copy_store(source, store)
    assert 0 < told["blobs"] < 12
    assert content(store) == content(source) and check_store(store)["problems"] == []


def test_damage_is_found(store):
    RunMaker(store).branch()
    store.storage.write(blob_key(digest_of(b"best")), b"bast")
    store.storage.delete([blob_key(digest_of(b"y of a"))])
    assert [(row["problem"], row["key"]) for row in check_store(store)["problems"]] == [
        ("damaged", blob_key(digest_of(b"best"))), ("missing", blob_key(digest_of(b"y of a"))),
    ]


def test_a_clean_up_takes_what_is_old_and_leaves_what_was_needed_again(store, monkeypatch):
    for _ in range(2):
        RunMaker(store).branch()
    gone, needed = store.blobs.put_bytes(b"nobody needs this"), store.blobs.put_bytes(b"somebody needs this")
    time.sleep(3.1)  # S3 counts whole seconds
    monkeypatch.setattr(sweeping, "YOUNG_SECONDS", -1.0)
    assert store.blobs.keep(needed)
    plan = perform_gc(store, "tester", keep_last=1, grace_seconds=2.0)
    assert [row["pathspec"] for row in plan.runs] == ["F/1"]
    assert [entry.key for entry in plan.blobs] == [blob_key(gone)]
    assert [entry.key for entry in plan.young] == [blob_key(needed)]
    assert not store.runs.exists("F", "1") and list(store.storage.walk("flows/F/1")) == []
    assert [row["problem"] for row in check_store(store)["problems"]] == ["unreferenced"]


def test_a_large_file_that_is_in_place_is_protected_when_many_are_put(store, tmp_path, monkeypatch):
    data = bytes(2_000_000)
    digest = store.blobs.put_bytes(data)
    before = store.storage.stat(blob_key(digest)).modified_at
    (tmp_path / "file").write_bytes(data)
    time.sleep(1.1)
    monkeypatch.setattr(sweeping, "YOUNG_SECONDS", -1.0)
    store.blobs.put_files([(str(tmp_path / "file"), digest)])
    assert store.storage.stat(blob_key(digest)).modified_at > before
