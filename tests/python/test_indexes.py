import os
import sqlite3

import pytest
from metaflow_core.errors import InternalError, StoreTooNew
from metaflow_core.indexes import check_plugin
from metaflow_core.indexes.sqlite import SqliteIndex
from metaflow_core.registry import plugins
from suites.index import IndexSuite, run_record, status_record, tags_record, task_row
from suites.processes import in_processes


def no_fill(index):
    pass


class TestSqliteIndex(IndexSuite):
    @pytest.fixture
    def path(self, tmp_path):
        return str(tmp_path / "index.db")

    @pytest.fixture
    def open_index(self, path):
        return lambda fill=no_fill: SqliteIndex(path, fill)

    def test_it_does_not_wait_for_readers_nor_they_for_it(self, index, path):
        self.put(index)
        assert sqlite3.connect(path).execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_looking_makes_no_folder(self, tmp_path):
        index = SqliteIndex(str(tmp_path / "store" / "index.db"), no_fill)
        assert index.runs() == []
        assert not (tmp_path / "store").exists()
        (tmp_path / "store").mkdir()
        self.put(index)
        assert (tmp_path / "store" / "index.db").exists()
        assert len(index.runs()) == 1

    def test_a_deleted_file_is_made_and_filled_again(self, open_index, path):
        index = open_index(lambda index: self.put(index, "7"))
        self.put(index, "1")
        os.unlink(path)
        assert index.run_ids("F") == {"7"}
        self.put(index, "2")
        for suffix in ("", "-wal", "-shm"):
            os.unlink(path + suffix)
        self.put(index, "3")
        assert index.run_ids("F") == {"3", "7"}

    @pytest.mark.parametrize("verb", ["read", "write"])
    @pytest.mark.parametrize(
        "garbage", [b"this is not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 8000]
    )
    def test_a_damaged_file_is_thrown_away(self, open_index, path, garbage, verb):
        first = open_index()
        self.put(first)
        first.close()
        with open(path, "wb") as file:
            file.write(garbage)
        index = open_index(lambda index: self.put(index, "7"))
        if verb == "write":
            self.put(index, "8")
        assert "7" in index.run_ids("F")

    def test_a_file_damaged_under_an_open_index(self, open_index, path):
        index = open_index(lambda index: self.put(index, "7"))
        for run in range(1, 300):
            self.put(index, str(run), tags=[f"tag-{run}"])
        sqlite3.connect(path).execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with open(path, "r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * (os.path.getsize(path) - 4096))
        assert "7" in {row["run"] for row in index.runs("F")}

    def test_an_older_schema_is_made_anew(self, open_index, path):
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE runs (something TEXT)")
        connection.execute("PRAGMA user_version = 0")
        connection.close()
        assert open_index(lambda index: self.put(index, "7")).run_ids("F") == {"7"}

    def test_a_newer_schema_is_left_alone(self, open_index, path):
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        with pytest.raises(StoreTooNew) as caught:
            open_index().runs()
        assert path in caught.value.message and "Upgrade" in caught.value.hint

    def test_in_memory(self):
        index = SqliteIndex(None, lambda index: self.put(index, "7"))
        self.put(index)
        assert index.run_ids("F") == {"1", "7"}

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
    def test_a_forked_child_opens_its_own_connection(self, index):
        self.put(index)
        child = os.fork()
        if child == 0:
            try:
                self.put(index, "2")
                os._exit(0 if index.run_ids("F") == {"1", "2"} else 1)
            except BaseException:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        self.put(index, "3")
        assert index.run_ids("F") == {"1", "2", "3"}

    def test_eight_processes_open_a_new_index_and_write_at_once(self, path):
        in_processes(
            8,
            """
            from metaflow_core.indexes.sqlite import SqliteIndex
            index = SqliteIndex(sys.argv[1], lambda index: None)
            for n in range(20):
                row = {"flow": "F", "run": "1", "step": f"s{sys.argv[2]}", "task": n, "attempt": 0, "status": "done"}
                index.record_tasks([row])
                assert index.counts("F", "1")[f"s{sys.argv[2]}"] == {"done": n + 1}
        """,
            path,
        )
        index = SqliteIndex(path, no_fill)
        assert index.counts("F", "1") == {f"s{n}": {"done": 20} for n in range(8)}

    def test_ten_thousand_runs(self, index):
        import time

        index.record_runs(
            (run_record(str(n)), status_record("completed"), tags_record(["t"])) for n in range(1, 10_001)
        )
        started = time.perf_counter()
        assert len(index.runs("F")) == 10_000
        everything = time.perf_counter() - started
        started = time.perf_counter()
        assert [row["run"] for row in index.runs("F", {"tags_all": ["t"], "status": "completed"}, limit=1)] == ["10000"]
        one = time.perf_counter() - started
        # Generous for a busy machine: a plan that scans would be far outside.
        assert everything < 2.0 and one < 0.2

    def test_a_run_recorded_again_costs_no_scan(self, index):
        index.record_runs((run_record(str(n)), status_record(), tags_record(["t"])) for n in range(1, 5001))
        plan = index._select("EXPLAIN QUERY PLAN DELETE FROM run_tags WHERE flow = 'F' AND run = 1 AND system = 0")
        assert "SEARCH" in str(plan)

    def test_task_rows_are_recorded_fast_enough(self, index):
        import time

        def seconds_of_one(number):
            started = time.perf_counter()
            index.record_tasks([task_row(task=str(number))])
            return time.perf_counter() - started

        # One row in its own transaction, the fast half of two hundred.
        assert sorted(seconds_of_one(number) for number in range(1, 201))[100] < 0.002


def test_indexes_are_found_by_name():
    assert plugins("indexes").names() == ["postgres", "sqlite"]
    assert plugins("indexes").get("postgresql") is plugins("indexes").get("postgres")


def test_an_index_that_breaks_the_contract_says_how():
    with pytest.raises(InternalError) as caught:
        check_plugin("half", type("Half", (), {"name": "half"}))
    assert "record_run" in caught.value.message
