"""Clean-up: what goes, what stays, and the race with whoever needs a blob at the same moment."""

import os
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import pytest
from flows import flow, step
from metaflow_core.errors import NotFound, ResumeError
from metaflow_core.indexes.sqlite import SqliteIndex
from metaflow_core.settings import load_settings
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store import gc as gc_module
from metaflow_core.store import sweeping
from metaflow_core.store.audit import AuditLog
from metaflow_core.store.blobs import digest_of
from metaflow_core.store.check import check_store
from metaflow_core.store.gc import perform_gc, plan_gc
from metaflow_core.store.layout import blob_key
from metaflow_core.store.open import open_store, store_on
from scripted_backend import Engine, succeed
from suites.made_runs import RunMaker
from suites.processes import script


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    if request.param == "memory":
        return store_on(MemoryStorage(), SqliteIndex)
    return open_store(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))


def age_blobs(store, seconds=7200):
    """Every blob was written so long ago."""
    for entry in store.storage.walk("blobs"):
        if isinstance(store.storage, MemoryStorage):
            store.storage._modified[entry.key] = time.time() - seconds
        else:
            os.utime(store.storage.local_path(entry.key), (time.time() - seconds,) * 2)


def gc(store, **bounds):
    return perform_gc(store, "tester", **bounds)


def there(store, name="F"):
    return store.runs.list_runs(name)


def names(plan):
    return [row["pathspec"] for row in plan.runs]


# -- runs


def test_the_newest_runs_stay(store):
    for _ in range(5):
        RunMaker(store).branch()
    assert names(plan_gc(store, keep_last=2)) == ["F/1", "F/2", "F/3"]
    assert there(store) == ["1", "2", "3", "4", "5"], "a plan deletes nothing"
    assert names(gc(store, keep_last=2)) == ["F/1", "F/2", "F/3"]
    assert there(store) == ["4", "5"]
    assert store.index.run_ids("F") == {"4", "5"}
    assert RunMaker(store).run == "6"


def test_without_a_bound_no_run_goes_and_the_newest_never(store):
    for _ in range(3):
        RunMaker(store).branch()
    assert names(plan_gc(store)) == []
    assert names(plan_gc(store, keep_last=0)) == names(plan_gc(store, older_than_seconds=0.0)) == ["F/1", "F/2"]


def test_looking_at_no_store_makes_none(store):
    assert gc(store, keep_last=0).to_dict(False) == plan_gc(store).to_dict(False)
    assert list(store.storage.walk()) == [] and store.storage.list_dirs() == []


def test_both_bounds_must_be_passed(store):
    now = time.time()
    for age in (5000, 4000, 100, 50):
        RunMaker(store, created_at=now - age).branch()
    assert names(plan_gc(store, older_than_seconds=1000)) == ["F/1", "F/2"]
    assert names(plan_gc(store, older_than_seconds=1000, keep_last=3)) == ["F/1"]


def test_runs_tagged_keep_and_runs_that_go_on_stay(store):
    RunMaker(store, tags=["keep"]).branch()
    RunMaker(store)  # going on: its process is ours
    RunMaker(store).branch()
    RunMaker(store).branch()
    assert names(plan_gc(store, keep_last=1)) == ["F/3"]


def test_a_run_of_another_machine_that_fell_silent_a_moment_ago_stays(store):
    RunMaker(store, host="another", pid=1)
    RunMaker(store).branch()
    for heartbeat, expected in ((time.time() - 3600, []), (time.time() - 90_000, ["F/1"])):
        store.runs.update_status("F", "1", lambda s, at=heartbeat: {**s, "host": "another", "heartbeat_at": at})
        assert names(plan_gc(store, keep_last=1)) == expected


def test_what_a_run_that_stays_came_from_stays_too(store):
    RunMaker(store).branch()
    RunMaker(store, origin={"run": "1"}).branch()
    RunMaker(store, flow="G").branch()
    made = RunMaker(store, origin={"run": "2"})
    made.task("start", origin="G/1/start/1/0")
    made.finish()
    RunMaker(store, flow="G").branch()
    assert names(plan_gc(store, keep_last=1)) == []
    RunMaker(store).branch()
    assert names(plan_gc(store, keep_last=1)) == ["F/1", "F/2", "F/3", "G/1"]


def test_only_runs_of_the_namespace_and_of_the_flow_go(store):
    for user in ("alice", "bob", "alice", "bob"):
        RunMaker(store, user=user).branch()
        RunMaker(store, flow="G", user=user).branch()
    assert names(plan_gc(store, keep_last=0, namespace="user:alice", flow="F")) == ["F/1", "F/3"]
    assert names(plan_gc(store, keep_last=1, namespace="user:alice")) == ["F/1", "G/1"]


def test_a_deletion_that_was_killed_is_finished_by_the_next(store):
    for _ in range(4):
        RunMaker(store).branch()
    store.runs.update_status("F", "1", lambda status: {**status, "deleting": True})
    store.storage.delete(["flows/F/2/run.json"])
    plan = gc(store)
    assert (names(plan), plan.leftovers) == (["F/1"], ["flows/F/2"])
    assert there(store) == ["3", "4"]


def test_what_cannot_be_read_stays(store):
    for _ in range(3):
        RunMaker(store).branch()
    store.storage.write("flows/F/1/status.json", b"{")
    assert names(gc(store, keep_last=1)) == ["F/2"]
    assert there(store) == ["1", "3"]


def test_deletions_are_in_the_audit(store):
    for _ in range(2):
        RunMaker(store).branch()
    age_blobs(store)
    store.blobs.put_bytes(b"nobody needs this")
    age_blobs(store)
    gc(store, keep_last=1)
    records = AuditLog(store.storage).read()
    assert [(row["action"], row.get("run"), row["user"]) for row in records] == [
        ("blobs deleted", None, "tester"), ("run deleted", "1", "tester"),
    ]


# -- blobs


def test_blobs_that_nobody_names_go_once_they_are_old(store):
    RunMaker(store).branch()
    lonely = store.blobs.put_bytes(b"lonely")
    plan = gc(store)
    assert (plan.blobs, [entry.key for entry in plan.young]) == ([], [blob_key(lonely)])
    age_blobs(store)
    dry = plan_gc(store).to_dict(True)
    assert (dry["blobs"], dry["size_bytes"]) == (1, 6)
    assert store.blobs.has(lonely)
    assert [entry.key for entry in gc(store).blobs] == [blob_key(lonely)]
    assert not store.blobs.has(lonely)
    assert check_store(store)["problems"] == []


def test_a_blob_that_two_runs_share_stays_as_long_as_one_of_them(store):
    for _ in range(3):
        RunMaker(store).branch()
    age_blobs(store)
    gc(store, keep_last=1)
    assert check_store(store)["problems"] == []
    assert store.blobs.read(digest_of(b"x of start")) == b"x of start"


def test_results_that_nobody_committed_yet_name_their_blobs(store):
    made = RunMaker(store)
    digest = store.blobs.put_bytes(b"put by a worker far away")
    store.storage.write(f"flows/F/{made.run}/start/1/0/result.json", b'{"blob": "%s"}' % digest.encode())
    age_blobs(store)
    assert gc(store).blobs == []


@pytest.mark.parametrize("put", ["put_bytes", "put_file", "keep"])
def test_a_blob_that_is_found_in_place_is_young_again(store, tmp_path, put):
    digest = store.blobs.put_bytes(b"content")
    age_blobs(store)
    (tmp_path / "file").write_bytes(b"content")
    arguments = {"put_bytes": b"content", "put_file": str(tmp_path / "file"), "keep": digest}
    assert getattr(store.blobs, put)(arguments[put])
    assert gc(store).blobs == []


def test_the_grace_is_counted_by_the_clock_of_the_storage(store, monkeypatch):
    digest = store.blobs.put_bytes(b"content")
    monkeypatch.setattr(gc_module, "time", SimpleNamespace(time=lambda: time.time() + 5 * 3600))
    assert gc(store).blobs == []
    assert store.blobs.has(digest)


# -- the race


class Race:
    """Stops the clean-up or the writer at a place of its way, to let the other one go on first."""

    def __init__(self, monkeypatch, owner, name, before=None, after=None):
        real = getattr(owner, name)
        self.calls = 0

        def stopped(*args, **kwargs):
            self.calls += 1
            if before and self.calls == 1:
                before()
            done = real(*args, **kwargs)
            if after and self.calls == 1:
                after()
            return done

        monkeypatch.setattr(owner, name, stopped)


@pytest.fixture
def condemned(store):
    """A blob that nobody names, old enough to go."""
    RunMaker(store).branch()
    digest = store.blobs.put_bytes(b"wanted again")
    age_blobs(store)
    return digest


def commit(store, digest=None):
    """What a task does: it puts its artifact, and then its record is committed."""
    made = RunMaker(store)
    artifact = made.artifact(b"wanted again")
    made.task("start", artifacts={"x": artifact})
    made.finish()


@pytest.mark.parametrize("place", ["plan", "announce", "looking"])
def test_a_writer_that_comes_while_a_clean_up_is_on_its_way(store, condemned, monkeypatch, place):
    writers = []

    def write():
        writer = threading.Thread(target=commit, args=(store,))
        writers.append(writer)
        writer.start()
        if place != "announce":
            time.sleep(0.2)  # the writer may be waiting for us by now
        else:
            writer.join()

    if place == "plan":  # it was chosen, nothing was said yet
        Race(monkeypatch, gc_module, "_delete_blobs", before=write)
    elif place == "announce":  # everything was chosen, and the list is about to be written
        Race(monkeypatch, gc_module, "announced", before=write)
    else:  # the blob was found to be old, and is about to be deleted
        Race(monkeypatch, store.storage, "delete", before=lambda: None)
        real = gc_module._is_as_it_was

        def looked(storage, blob):
            old = real(storage, blob)
            if blob.key == blob_key(condemned) and not writers:
                write()
            return old

        monkeypatch.setattr(gc_module, "_is_as_it_was", looked)
    gc(store)
    for writer in writers:
        writer.join(30)
    assert writers
    assert store.blobs.read(condemned) == b"wanted again"
    assert check_store(store)["ok"]
    assert store.storage.list_files("gc") == []


def test_a_list_whose_clean_up_was_killed_is_taken_away(store, condemned, monkeypatch):
    monkeypatch.setattr(sweeping, "STALE_SECONDS", 0.2)
    store.storage.write("gc/dead.json", b'{"keys": ["%s"]}' % blob_key(condemned).encode())
    commit(store)
    assert store.storage.list_files("gc") == []
    assert check_store(store)["ok"]


@pytest.mark.parametrize("seconds", [2.0, pytest.param(20.0, marks=pytest.mark.slow)])
def test_writers_and_clean_ups_side_by_side_lose_nothing(tmp_path, seconds):
    # Blobs are always old and always just dropped: every put of a writer meets a clean-up that wants the same blob.
    store = open_store(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    RunMaker(store).branch()
    body = """
        import os, time
        sys.path.insert(0, sys.argv[2])
        from metaflow_core.settings import load_settings
        from metaflow_core.store import gc, sweeping
        from metaflow_core.store.open import open_store
        from suites.made_runs import RunMaker
        sweeping.YOUNG_SECONDS = -1.0
        store = open_store(load_settings(arguments={"datastore_root": sys.argv[1]}))
        until, count = time.monotonic() + float(sys.argv[4]), 0
        while time.monotonic() < until:
            if sys.argv[3] == "gc":
                gc.perform_gc(store, "tester", keep_last=1, grace_seconds=0.5)
            else:
                made = RunMaker(store, index=False)
                artifact = made.artifact(b"the same for all %d" % (count % 3))
                made.task("start", artifacts={"x": artifact})
                made.finish(index=False)
                assert store.blobs.read(artifact["digest"])
            count += 1
        print(count)
    """
    here = os.path.dirname(os.path.abspath(__file__))
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script(body), store.storage.root, here, kind, str(seconds)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for kind in ("gc", "gc", "write", "write", "write")
    ]
    ended = [process.communicate(timeout=120) for process in running]
    for process, (out, err) in zip(running, ended):
        assert process.returncode == 0, err
        assert int(out) > 0
    found = check_store(store)
    assert found["ok"], found["problems"]


# -- resume


def test_a_run_that_is_being_deleted_is_not_resumed(tmp_path):
    engine = Engine(tmp_path / "store", flow(step("start", "end"), step("end")).to_dict())
    engine.run()
    store = engine.open()
    store.runs.update_status("TestFlow", "1", lambda status: {**status, "deleting": True})
    with pytest.raises(ResumeError) as caught:
        engine.resume()
    assert "being deleted" in caught.value.message


def test_a_resume_that_begins_while_its_origin_is_chosen_saves_it(tmp_path, monkeypatch):
    engine = Engine(tmp_path / "store", flow(step("start", "end"), step("end")).to_dict())
    engine.run()
    engine.run()
    store = engine.open()
    loops = []

    def begin():
        loops.append(engine.begin(succeed, resume={"run": "1"})[0])

    Race(monkeypatch, gc_module, "_condemned", before=begin)
    assert names(gc(store, keep_last=1)) == []
    assert engine.finish(loops[0]).status == "completed"
    assert check_store(store)["ok"]
    assert store.runs.read_status("TestFlow", "1")["deleting"] is False
    with pytest.raises(NotFound):
        store.runs.read_run("TestFlow", "9")
