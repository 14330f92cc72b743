import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress

import pytest
from metaflow_core.indexes.sqlite import SqliteIndex
from metaflow_core.settings import load_settings
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store.catalog import catch_up_runs, catch_up_tasks, change_tags, task_row
from metaflow_core.store.open import open_store, store_on
from suites.made_runs import RunMaker
from suites.processes import in_processes, script


@pytest.fixture(params=["local", "memory"])
def store(request, tmp_path):
    if request.param == "memory":
        return store_on(MemoryStorage(), SqliteIndex)
    return open_store(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))


@pytest.fixture
def local(tmp_path):
    return open_store(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))


def everything(store):
    rows = {(row["flow"], row["run"]): row for row in store.index.runs()}
    return rows, {key: store.index.tasks(*key, all_attempts=True) for key in rows}


# -- rebuilding


def test_a_deleted_index_comes_back_equal(local):
    RunMaker(local, tags=["x"]).branch()
    RunMaker(local, flow="G", user="bob").finish("failed", {"message": "broken"})
    before = everything(local)
    os.unlink(os.path.join(local.storage.root, "index.db"))
    assert everything(local)[0] == before[0]
    catch_up_tasks(local, "F", "1")
    assert everything(local) == before


def test_a_new_session_fills_a_missing_index(local):
    RunMaker(local).branch()
    local.close()
    for suffix in ("", "-wal", "-shm"):
        path = os.path.join(local.storage.root, f"index.db{suffix}")
        if os.path.exists(path):
            os.unlink(path)
    again = open_store(load_settings(arguments={"datastore_root": local.storage.root}))
    assert again.index.run("F", "1")["status"] == "completed"


def test_reindex_makes_the_index_equal_to_the_store(store):
    RunMaker(store).branch()
    RunMaker(store).branch()
    before = everything(store)
    index = store.index
    index.forget_runs("F", ["1"])
    index.record_run(
        {**store.runs.read_run("F", "2"), "run": "77"}, store.runs.read_status("F", "2"), {"version": 0, "tags": []}
    )
    index.record_run(
        {**store.runs.read_run("F", "2"), "flow": "Gone"}, store.runs.read_status("F", "2"), {"version": 0, "tags": []}
    )
    assert store.reindex() == {"flows": 1, "runs": 2, "tasks": 10, "problems": []}
    assert everything(store) == before


def test_a_damaged_record_does_not_hide_the_others(store):
    for _ in range(3):
        RunMaker(store).branch()
    store.storage.write("flows/F/2/status.json", b"{")
    store.storage.write("flows/F/3/fit/9/0/task.json", b"")
    store.index.forget_runs("F", ["1", "2", "3"])
    result = store.reindex()
    assert sorted(store.index.run_ids("F")) == ["1", "3"]
    assert [problem.split(" ")[0] for problem in result["problems"]] == [
        "flows/F/2/status.json",
        "flows/F/3/fit/9/0/task.json",
    ]
    catch_up_runs(store)
    assert sorted(store.index.run_ids("F")) == ["1", "3"]


def test_a_rebuild_beside_running_writers_loses_nothing(local):
    in_processes(
        3,
        """
        import os
        from contextlib import suppress
        sys.path.insert(0, sys.argv[2])
        from metaflow_core.settings import load_settings
        from metaflow_core.store.open import open_store
        from suites.made_runs import RunMaker
        store = open_store(load_settings(arguments={"datastore_root": sys.argv[1]}))
        for n in range(6):
            RunMaker(store).branch()
            if n == 3:
                with suppress(FileNotFoundError):
                    os.unlink(os.path.join(sys.argv[1], "index.db"))
            store.reindex()
    """,
        local.storage.root,
        os.path.dirname(os.path.abspath(__file__)),
    )
    catch_up_runs(local)
    assert local.index.run_ids("F") == {str(n) for n in range(1, 19)}
    assert {row["status"] for row in local.index.runs("F")} == {"completed"}


# -- catching up


def test_a_run_whose_writer_died_before_the_index(store):
    RunMaker(store).branch()
    RunMaker(store, index=False).branch()
    assert store.index.run_ids("F") == {"1"}
    catch_up_runs(store, "F")
    assert store.index.run("F", "2")["status"] == "completed"
    catch_up_tasks(store, "F", "2")
    assert store.index.counts("F", "2")["start"] == {"done": 1}


def test_a_flow_that_only_the_store_knows(store):
    RunMaker(store, flow="G", index=False)
    catch_up_runs(store)
    assert store.index.run_ids("G") == {"1"}


def test_a_status_whose_writer_died_before_the_index(store):
    RunMaker(store).finish("failed", index=False)
    assert store.index.run("F", "1")["status"] == "running"
    catch_up_runs(store)
    assert store.index.run("F", "1")["status"] == "failed"


def test_tags_whose_writer_died_before_the_index(store):
    RunMaker(store).finish()
    store.index.mark_changing("F", "1")
    store.runs.change_tags("F", "1", lambda tags: {"late"})
    assert store.index.run("F", "1")["tags"] == []
    catch_up_runs(store, "F")
    assert store.index.run("F", "1")["tags"] == ["late"]
    assert [row["run"] for row in store.index.runs("F", {"tags_all": ["late"]})] == ["1"]


def test_a_deleted_run_leaves_the_index(local):
    RunMaker(local).branch()
    RunMaker(local).branch()
    shutil.rmtree(os.path.join(local.storage.root, "flows/F/1"))
    catch_up_runs(local, "F")
    assert local.index.run_ids("F") == {"2"}
    shutil.rmtree(os.path.join(local.storage.root, "flows/F"))
    catch_up_runs(local)
    assert local.index.flows() == []


def test_settled_runs_are_not_read_again(store):
    for _ in range(3):
        RunMaker(store).branch()
    catch_up_runs(store, "F")
    store.runs.read_runs = lambda flow, runs: pytest.fail(f"read {list(runs)}")
    catch_up_runs(store, "F")


def test_settled_tasks_are_not_read_again(store):
    RunMaker(store).branch()
    catch_up_tasks(store, "F", "1")
    store.tasks.read_tasks = lambda *args: pytest.fail("read again")
    catch_up_tasks(store, "F", "1")


def test_rows_that_the_engine_wrote_stay(store):
    made = RunMaker(store)
    made.task("start", ok=False, task="1")
    store.index.record_tasks([{**store.index.tasks("F", "1")[0], "status": "retrying"}])
    made.task("start", ok=False, task="2", index=False)
    catch_up_tasks(store, "F", "1")
    assert [row["status"] for row in store.index.tasks("F", "1")] == ["retrying", "failed"]


def test_what_a_task_record_says_in_a_row():
    record = {"flow": "F", "run": "1", "step": "s", "task": "1", "attempt": 0}
    assert task_row({**record, "ok": True})["status"] == "done"
    assert task_row({**record, "ok": True, "caught": "err"})["status"] == "caught"
    assert task_row({**record, "ok": True, "origin": "F/1/s/1/0", "caught": "err"})["status"] == "cloned"
    assert task_row({**record, "ok": False, "error": {"cause": "oom", "message": "m"}})["status"] == "failed"
    assert task_row({**record, "ok": False}, last=False)["status"] == "retrying"
    row = task_row(
        {**record, "ok": False, "error": {"cause": "oom", "message": "m"}, "usage": {"max_rss_bytes": 5, "user": 2.5}}
    )
    assert (row["cause"], row["message"], row["max_rss_bytes"], row["user_seconds"]) == ("oom", "m", 5, 2.5)


def test_tags_change_in_the_store_and_in_the_index(store):
    RunMaker(store, tags=["a"]).finish()
    assert change_tags(store, "F", "1", lambda tags: tags | {"b"})["tags"] == ["a", "b"]
    assert store.runs.read_tags("F", "1")["tags"] == store.index.run("F", "1")["tags"] == ["a", "b"]
    assert store.index.unsettled() == []


def test_two_processes_change_tags_at_once(local):
    RunMaker(local).finish()
    in_processes(
        2,
        """
        from metaflow_core.settings import load_settings
        from metaflow_core.store.catalog import change_tags
        from metaflow_core.store.open import open_store
        store = open_store(load_settings(arguments={"datastore_root": sys.argv[1]}))
        for n in range(20):
            change_tags(store, "F", "1", lambda tags: tags | {f"{sys.argv[2]}-{n}"})
    """,
        local.storage.root,
    )
    expected = sorted(f"{p}-{n}" for p in range(2) for n in range(20))
    assert local.runs.read_tags("F", "1")["tags"] == local.index.run("F", "1")["tags"] == expected
    assert local.index.unsettled() == []


def test_kill_9_at_any_moment_leaves_a_store_that_opens_and_lists(local):
    # A writer of whole runs is killed at ten different moments; afterwards every run that has
    # a record is listed, and each task that was committed is found.
    for moment in range(10):
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                script("""
                sys.path.insert(0, sys.argv[2])
                from metaflow_core.settings import load_settings
                from metaflow_core.store.open import open_store
                from suites.made_runs import RunMaker
                store = open_store(load_settings(arguments={"datastore_root": sys.argv[1]}))
                print("ready", flush=True)
                while True:
                    RunMaker(store).branch()
            """),
                local.storage.root,
                os.path.dirname(os.path.abspath(__file__)),
            ],
            stdout=subprocess.PIPE,
        )
        process.stdout.readline()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.007 * moment)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    catch_up_runs(local)
    claimed = {run for run in local.runs.list_runs("F") if local.runs.exists("F", run)}
    assert claimed and local.index.run_ids("F") == claimed
    for run in claimed:
        catch_up_tasks(local, "F", run)
        assert local.index.run("F", run)["status"] == local.runs.read_status("F", run)["status"]
        committed = {(r["step"], r["task"]) for r in local.tasks.read_tasks("F", run)}
        assert {(row["step"], row["task"]) for row in local.index.tasks("F", run)} == committed
    assert RunMaker(local).run == str(max(map(int, claimed)) + 1)
