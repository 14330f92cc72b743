import json
import os
import signal
import subprocess
import sys
import time

import pytest
from metaflow_core.errors import Corrupted, NotFound, StoreConflict, StoreError, StoreTooNew
from metaflow_core.storages.local import LocalStorage
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store.runs import RunStore
from suites.processes import in_processes, script


def make_record(run):
    return {"format": 1, "flow": "F", "run": run, "created_at": 5.0, "host": "h", "pid": 7, "tags": ["b", "a"]}


@pytest.fixture(params=["local", "memory"])
def storage(request, tmp_path):
    return LocalStorage(str(tmp_path / "root")) if request.param == "local" else MemoryStorage()


@pytest.fixture
def runs(storage):
    return RunStore(storage)


# -- claiming


def test_run_ids_are_dense_numbers_of_their_flow(runs):
    assert [runs.claim_run("F", make_record) for _ in range(11)] == [str(n) for n in range(1, 12)]
    assert runs.claim_run("G", make_record) == "1"
    assert runs.list_runs("F")[-2:] == ["10", "11"]
    assert runs.list_flows() == ["F", "G"]
    assert runs.read_run("F", "11") == make_record("11")


def test_the_first_claim_marks_the_store(runs, storage):
    assert not storage.exists("format.json")
    runs.claim_run("F", make_record)
    written = json.loads(storage.read("format.json"))
    assert written["store_format"] == 1 and len(written["id"]) == 16


def test_nothing_is_claimed_in_a_newer_store(runs, storage):
    storage.write("format.json", b'{"store_format":2}')
    with pytest.raises(StoreTooNew) as caught:
        runs.claim_run("F", make_record)
    assert "Upgrade" in caught.value.hint
    assert runs.list_flows() == []


def test_an_id_that_somebody_else_just_took_is_skipped(runs, storage):
    asked = []

    def slow(run):
        asked.append(run)
        if run == "1":  # another process is faster, while this record is being made
            storage.write("flows/F/1/run.json", b"{}")
        return make_record(run)

    assert runs.claim_run("F", slow) == "2"
    assert asked == ["1", "2"]


def test_a_claim_that_was_killed_half_way_leaves_its_id_free(storage, runs):
    runs.claim_run("F", make_record)
    if storage.name == "local":
        os.makedirs(os.path.join(storage.root, "flows/F/2"))
        os.makedirs(os.path.join(storage.root, "flows/F/3"))
    assert runs.claim_run("F", make_record) == "2"
    assert not runs.exists("F", "3")


@pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}])
def test_a_record_that_is_no_json_claims_nothing(runs, value):
    with pytest.raises(StoreError):
        runs.claim_run("F", lambda run: {**make_record(run), "seed": value})
    assert runs.list_runs("F") == []


def test_odd_folders_are_no_runs(runs, storage):
    runs.claim_run("F", make_record)
    storage.write("flows/F/notes/x", b"")
    storage.write("flows/F/¼/x", b"")
    storage.write("flows/F/file", b"")
    assert runs.list_runs("F") == ["1"]


@pytest.mark.parametrize("processes, each", [(8, 10)])
def test_processes_race_for_run_ids(tmp_path, processes, each):
    root = str(tmp_path / "root")
    outputs = in_processes(
        processes,
        """
        from metaflow_core.storages.local import LocalStorage
        from metaflow_core.store.runs import RunStore
        runs = RunStore(LocalStorage(sys.argv[1]))
        for _ in range(int(sys.argv[2])):
            print(runs.claim_run("F", lambda run: {"format": 1, "flow": "F", "run": run, "by": sys.argv[3]}))
    """,
        root,
        each,
    )
    runs = RunStore(LocalStorage(root))
    claimed = [(run, str(number)) for number, out in enumerate(outputs) for run in out.split()]
    assert sorted((int(run) for run, _ in claimed)) == list(range(1, processes * each + 1))
    for run, number in claimed:
        record = runs.read_run("F", run)
        assert (record["run"], record["by"]) == (run, number)


def test_kill_9_while_claiming_leaves_whole_records(tmp_path):
    root = str(tmp_path / "root")
    for _ in range(3):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                script("""
                from metaflow_core.storages.local import LocalStorage
                from metaflow_core.store.runs import RunStore
                runs = RunStore(LocalStorage(sys.argv[1]))
                while True:
                    runs.claim_run("F", lambda run: {"format": 1, "flow": "F", "run": run, "text": "x" * 200_000})
                    print("claimed", flush=True)
            """),
                root,
            ],
            stdout=subprocess.PIPE,
        )
        for _ in range(5):
            process.stdout.readline()
        time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    runs = RunStore(LocalStorage(root))
    new = runs.claim_run("F", make_record)
    assert int(new) >= 16
    # Dense: every id below the newest was claimed, whole.
    for number in range(1, int(new)):
        assert len(runs.read_run("F", str(number))["text"]) == 200_000


# -- reading


def test_a_missing_run(runs):
    for call in (runs.read_run, runs.read_status, runs.read_tags):
        with pytest.raises(NotFound) as caught:
            call("F", "99")
        assert caught.value.message == "run 99 of F does not exist"
    assert not runs.exists("F", "99")
    assert runs.list_runs("F") == runs.list_steps("F", "1") == runs.list_tasks("F", "1", "s") == []
    assert runs.list_attempts("F", "1", "s", "1") == []


def test_a_run_that_died_after_its_claim_has_the_status_it_began_with(runs):
    runs.claim_run("F", make_record)
    status = runs.read_status("F", "1")
    assert (status["version"], status["status"], status["started_at"], status["pid"]) == (0, "running", 5.0, 7)
    assert runs.read_tags("F", "1") == {"version": 0, "tags": ["a", "b"]}


@pytest.mark.parametrize("damage", [b"", b"{", b"[1]", b"\xff\xfe", b'{"format":1}{'])
def test_a_damaged_record_is_named(runs, storage, damage):
    runs.claim_run("F", make_record)
    storage.write("flows/F/1/run.json", damage)
    with pytest.raises(Corrupted) as caught:
        runs.read_run("F", "1")
    assert "flows/F/1/run.json" in caught.value.message
    assert caught.value.data == {"key": "flows/F/1/run.json"}


def test_a_newer_record_is_refused(runs, storage):
    storage.write("flows/F/1/run.json", b'{"format":2,"flow":"F"}')
    with pytest.raises(StoreTooNew) as caught:
        runs.read_run("F", "1")
    assert "flows/F/1/run.json has format 2" in caught.value.message


def test_text_of_any_language_survives(runs):
    text = "größe 数据 \U0001f600 \u2028 \x07 \ud800"
    runs.claim_run("F", lambda run: {**make_record(run), "argv": [text]})
    assert runs.read_run("F", "1")["argv"] == [text]


def test_many_runs_at_once(runs):
    for _ in range(3):
        runs.claim_run("F", make_record)
    runs.update_status("F", "2", lambda status: {**status, "status": "failed"})
    found = runs.read_runs("F", ["1", "2", "9"])
    assert list(found) == ["1", "2"]
    record, status, tags = found["2"]
    assert (record["run"], status["status"], tags["tags"]) == ("2", "failed", ["a", "b"])
    assert found["1"][1]["version"] == 0


# -- changing


def test_a_status_changes_step_by_step(runs):
    runs.claim_run("F", make_record)
    first = runs.update_status("F", "1", lambda status: {**status, "heartbeat_at": 9.0})
    second = runs.update_status("F", "1", lambda status: {**status, "status": "completed"})
    assert (first["version"], second["version"]) == (1, 2)
    assert runs.read_status("F", "1") == second
    assert second["heartbeat_at"] == 9.0


def test_a_change_that_fails_changes_nothing(runs):
    runs.claim_run("F", make_record)

    def fail(status):
        status["status"] = "completed"
        raise ValueError("no")

    with pytest.raises(ValueError):
        runs.update_status("F", "1", fail)
    assert runs.read_status("F", "1")["version"] == 0


def test_a_run_that_does_not_exist_gets_no_status(runs, storage):
    with pytest.raises(NotFound):
        runs.update_status("F", "1", lambda status: status)
    with pytest.raises(NotFound):
        runs.change_tags("F", "1", lambda tags: tags)
    assert runs.list_flows() == []


def test_a_change_is_repeated_on_what_somebody_else_wrote(runs, storage):
    runs.claim_run("F", make_record)
    calls = []

    def add(tags):
        calls.append(sorted(tags))
        if len(calls) == 1:
            RunStore(storage).change_tags("F", "1", lambda tags: tags | {"theirs"})
        return tags | {"mine"}

    assert runs.change_tags("F", "1", add)["tags"] == ["a", "b", "mine", "theirs"]
    assert calls == [["a", "b"], ["a", "b", "theirs"]]


def test_a_change_gives_up_when_it_never_gets_through(runs, storage, monkeypatch):
    runs.claim_run("F", make_record)

    def never(key, data, version):
        raise StoreConflict("busy")

    monkeypatch.setattr(storage, "write_if", never)
    monkeypatch.setattr("metaflow_core.store.runs._pause", lambda attempt: None)
    with pytest.raises(StoreConflict) as caught:
        runs.change_tags("F", "1", lambda tags: tags)
    assert "flows/F/1/tags.json" in caught.value.message


def test_processes_change_tags_at_once(tmp_path):
    root = str(tmp_path / "root")
    runs = RunStore(LocalStorage(root))
    runs.claim_run("F", make_record)
    in_processes(
        2,
        """
        from metaflow_core.storages.local import LocalStorage
        from metaflow_core.store.runs import RunStore
        runs = RunStore(LocalStorage(sys.argv[1]))
        for n in range(30):
            runs.change_tags("F", "1", lambda tags: tags | {f"{sys.argv[2]}-{n}"})
    """,
        root,
    )
    tags = runs.read_tags("F", "1")
    assert set(tags["tags"]) == {"a", "b"} | {f"{p}-{n}" for p in range(2) for n in range(30)}
    assert tags["version"] == 60
