"""What every index must do. To test one:

class TestMyIndex(IndexSuite):
    @pytest.fixture
    def open_index(self, tmp_path):
        return lambda fill=lambda index: None: MyIndex(address, fill)
"""

import threading
import time

import pytest
from metaflow_core.contracts.index import Index
from metaflow_core.errors import StoreError, UnknownOption


def run_record(run="1", flow="F", created_at=None, **more):
    record = {
        "format": 1,
        "flow": flow,
        "run": run,
        "created_at": float(run) if created_at is None else created_at,
        "user": "alice",
        "namespace": "user:alice",
        "script": "flow.R",
        "host": "h",
        "pid": 1,
        "system_tags": ["user:alice"],
        "tags": [],
        "origin": None,
    }
    return {**record, **more}


def status_record(status="running", version=1, **more):
    record = {
        "version": version,
        "status": status,
        "started_at": 1.0,
        "finished_at": None,
        "heartbeat_at": 1.0,
        "host": "h",
        "pid": 1,
        "pid_start": "x",
        "tasks": {"done": 1, "failed": 2, "cloned": 3},
        "error": None,
    }
    return {**record, **more}


def tags_record(tags=(), version=1):
    return {"version": version, "tags": sorted(tags)}


def task_row(step="fit", task="1", attempt=0, status="done", run="1", **more):
    row = {
        "flow": "F",
        "run": run,
        "step": step,
        "task": task,
        "attempt": attempt,
        "position": step,
        "status": status,
        "started_at": 1.0,
        "finished_at": 2.0,
        "cause": None,
        "message": None,
        "origin": None,
        "max_rss_bytes": 7,
        "user_seconds": 0.5,
    }
    return {**row, **more}


class IndexSuite:
    @pytest.fixture
    def open_index(self):
        raise NotImplementedError("give a function (fill) -> index that opens the same rows each time")

    @pytest.fixture
    def index(self, open_index):
        index = open_index()
        yield index
        index.close()

    def put(self, index, run="1", status="running", tags=(), **more):
        index.record_run(run_record(run, **more), status_record(status), tags_record(tags))

    def test_it_has_every_verb_of_the_contract(self, index):
        assert isinstance(index, Index)

    def test_an_empty_index_answers(self, index):
        assert index.flows() == index.runs() == index.runs("F") == index.tasks("F", "1") == index.unsettled() == []
        assert index.run("F", "1") is None
        assert index.run_ids("F") == set()
        assert index.counts("F", "1") == index.spans("F", "1") == {}

    # -- filling

    def test_a_new_index_is_filled_once(self, open_index):
        calls = []

        def fill(index):
            calls.append(1)
            self.put(index, "4")

        index = open_index(fill)
        assert [row["run"] for row in index.runs("F")] == ["4"]
        index.runs("F")
        index.close()
        assert [row["run"] for row in index.runs("F")] == ["4"]
        assert calls == [1]

    def test_a_fill_that_fails_is_tried_again(self, open_index):
        def fail(index):
            raise UnknownOption("no")

        with pytest.raises(UnknownOption):
            open_index(fail).runs()
        index = open_index(lambda index: self.put(index))
        assert len(index.runs()) == 1

    # -- runs

    def test_a_row_of_a_run(self, index):
        record = run_record("12", origin={"run": "11"})
        status = status_record("failed", finished_at=9.0, error={"message": "broken"})
        index.record_run(record, status, tags_record(["b", "a"]))
        expected = {
            "flow": "F",
            "run": "12",
            "status": "failed",
            "created_at": 12.0,
            "started_at": 1.0,
            "finished_at": 9.0,
            "heartbeat_at": 1.0,
            "host": "h",
            "pid": 1,
            "pid_start": "x",
            "user": "alice",
            "namespace": "user:alice",
            "script": "flow.R",
            "origin_run": "11",
            "message": "broken",
            "tasks": {"done": 1, "failed": 2, "cloned": 3},
            "system_tags": ["user:alice"],
            "tags": ["a", "b"],
        }
        assert index.run("F", "12") == expected
        assert index.runs("F") == index.runs() == [expected]

    def test_runs_sort_as_numbers(self, index):
        for run in ("9", "10", "2", "100"):
            self.put(index, run)
        assert [row["run"] for row in index.runs("F")] == ["100", "10", "9", "2"]
        assert [row["run"] for row in index.runs("F", newest_first=False)] == ["2", "9", "10", "100"]
        assert [row["run"] for row in index.runs("F", limit=2)] == ["100", "10"]
        assert [row["run"] for row in index.runs("F", limit=2, offset=1)] == ["10", "9"]
        assert [row["run"] for row in index.runs("F", offset=3)] == ["2"]
        assert index.run_ids("F") == {"2", "9", "10", "100"}

    def test_runs_of_all_flows_come_by_creation(self, index):
        self.put(index, "1", flow="A", created_at=3.0)
        self.put(index, "2", flow="A", created_at=5.0)
        self.put(index, "1", flow="B", created_at=4.0)
        assert [(row["flow"], row["run"]) for row in index.runs()] == [("A", "2"), ("B", "1"), ("A", "1")]
        assert index.flows() == [{"flow": "A", "runs": 2, "newest": "2"}, {"flow": "B", "runs": 1, "newest": "1"}]

    def test_flows_of_a_namespace(self, index):
        self.put(index, "1", system_tags=["user:alice"])
        self.put(index, "2", system_tags=["user:bob"])
        self.put(index, "3", system_tags=["user:bob"], tags=["x"])
        assert index.flows("user:alice") == [{"flow": "F", "runs": 1, "newest": "1"}]
        assert index.flows("nobody") == []

    @pytest.mark.parametrize(
        "where, expected",
        [
            (None, "4321"),
            ({}, "4321"),
            ({"status": "completed"}, "42"),
            ({"status": ["completed", "failed"]}, "432"),
            ({"status": []}, ""),
            ({"tags_all": ["x"]}, "32"),
            ({"tags_all": ["x", "y"]}, "3"),
            ({"tags_all": "x"}, "32"),
            ({"tags_all": []}, "4321"),
            ({"tags_all": ["user:bob"]}, "4"),
            ({"tags_all": ["x'); DROP TABLE runs; --"]}, ""),
            ({"namespace": "user:alice"}, "321"),
            ({"namespace": None}, "4321"),
            ({"namespace": "x"}, "32"),
            ({"created_after": 3}, "43"),
            ({"created_before": 3}, "321"),
            ({"created_after": 2, "created_before": 3}, "32"),
            ({"user": "bob"}, "4"),
            ({"origin_run": "1"}, "3"),
            ({"status": "completed", "tags_all": ["x"], "user": "alice"}, "2"),
        ],
    )
    def test_where(self, index, where, expected):
        self.put(index, "1")
        self.put(index, "2", "completed", ["x"])
        self.put(index, "3", "failed", ["x", "y"], origin={"run": "1"})
        self.put(index, "4", "completed", user="bob", system_tags=["user:bob"])
        assert "".join(row["run"] for row in index.runs("F", where)) == expected

    def test_an_unknown_word_in_where(self, index):
        with pytest.raises(UnknownOption) as caught:
            index.runs("F", {"statsu": "failed"})
        assert "'status'" in caught.value.hint

    # -- changes

    def test_an_older_status_never_replaces_a_newer_one(self, index):
        self.put(index)
        index.record_status("F", "1", status_record("completed", version=3, finished_at=8.0))
        index.record_status("F", "1", status_record("running", version=2))
        index.record_run(run_record(), status_record("running", version=1), tags_record())
        row = index.run("F", "1")
        assert (row["status"], row["finished_at"]) == ("completed", 8.0)

    def test_older_tags_never_replace_newer_ones(self, index):
        self.put(index)
        index.record_tags("F", "1", tags_record(["new"], version=3))
        index.record_tags("F", "1", tags_record(["old"], version=2))
        index.record_run(run_record(), status_record(), tags_record(["older"], version=1))
        assert index.run("F", "1")["tags"] == ["new"]
        assert index.runs("F", {"tags_all": ["old"]}) == []
        assert len(index.runs("F", {"tags_all": ["new"]})) == 1
        assert len(index.runs("F", {"tags_all": ["user:alice"]})) == 1

    def test_a_user_tag_that_is_a_system_tag_too(self, index):
        self.put(index, tags=["user:alice"])
        index.record_tags("F", "1", tags_record([], version=2))
        assert len(index.runs("F", {"namespace": "user:alice"})) == 1

    def test_what_may_be_behind_is_unsettled(self, index):
        self.put(index, "1", "completed")
        self.put(index, "2", "running")
        self.put(index, "1", "lost", flow="G")
        assert index.unsettled() == index.unsettled("F") == [("F", "2")]
        index.mark_changing("F", "1")
        index.mark_changing("F", "1")
        index.record_tags("F", "1", tags_record(["a"], version=2))
        assert index.unsettled("F") == [("F", "1"), ("F", "2")]
        index.record_tags("F", "1", tags_record(["a"], version=3))
        index.record_status("F", "2", status_record("failed", version=2))
        assert index.unsettled() == []

    def test_forgotten_runs_take_their_rows_along(self, index):
        self.put(index, "1", tags=["x"])
        self.put(index, "2", tags=["x"])
        index.record_tasks([task_row(), task_row(run="2")])
        index.forget_runs("F", ["1", "99"])
        assert index.run_ids("F") == {"2"}
        assert index.tasks("F", "1") == []
        assert len(index.tasks("F", "2")) == 1
        assert len(index.runs("F", {"tags_all": ["x"]})) == 1

    # -- tasks

    def test_a_row_of_a_task(self, index):
        row = task_row(status="failed", cause="timeout", message="too slow", origin="F/1/fit/2/0", position="fit[3]")
        index.record_tasks([row])
        assert index.tasks("F", "1") == [row]

    def test_tasks_sort_as_numbers_and_show_their_latest_attempt(self, index):
        index.record_tasks([task_row(task=task) for task in ("10", "9", "2")])
        index.record_tasks([task_row(task="9", attempt=1, status="failed"), task_row("start", "1")])
        assert [(row["task"], row["attempt"]) for row in index.tasks("F", "1", "fit")] == [
            ("2", 0),
            ("9", 1),
            ("10", 0),
        ]
        assert [row["attempt"] for row in index.tasks("F", "1", "fit", all_attempts=True)] == [0, 0, 1, 0]
        assert [row["task"] for row in index.tasks("F", "1", limit=2, offset=1)] == ["9", "10"]
        assert [row["task"] for row in index.tasks("F", "1", where={"status": "failed"})] == ["9"]

    def test_counts_are_of_tasks_not_attempts(self, index):
        index.record_tasks(
            [task_row("a", "1", 0, "retrying"), task_row("a", "1", 1, "done"), task_row("a", "2", 0, "running")]
        )
        index.record_tasks([task_row("b", "3", 0, "failed", started_at=5.0, finished_at=9.0), task_row(run="2")])
        assert index.counts("F", "1") == {"a": {"done": 1, "running": 1}, "b": {"failed": 1}}
        assert index.spans("F", "1") == {"a": (1.0, 2.0), "b": (5.0, 9.0)}

    def test_a_task_row_is_replaced_unless_it_is_to_be_kept(self, index):
        index.record_tasks([task_row(status="running", finished_at=None)])
        index.record_tasks([task_row(status="done")], keep=True)
        assert index.tasks("F", "1")[0]["status"] == "done"
        index.record_tasks([task_row(status="failed")], keep=True)
        assert index.tasks("F", "1")[0]["status"] == "done"
        index.record_tasks([task_row(status="caught")])
        assert index.tasks("F", "1")[0]["status"] == "caught"

    def test_rows_may_lack_what_nobody_knows(self, index):
        index.record_tasks([{"flow": "F", "run": "1", "step": "fit", "task": "1", "attempt": 0, "status": "running"}])
        assert index.tasks("F", "1")[0]["finished_at"] is None

    def test_nothing_is_recorded_when_a_row_is_bad(self, index):
        with pytest.raises(StoreError):
            index.record_tasks([task_row(), {**task_row(task="2"), "message": object()}])
        assert index.tasks("F", "1") == []

    def test_texts_may_hold_anything(self, index):
        text = "a'b\"c%s?\n\u00e9\U0001f600"
        self.put(index, "1", flow=text, tags=[text], user=text)
        assert [row["user"] for row in index.runs(text, {"tags_all": text})] == [text]
        index.record_tasks([task_row(message="\x00 and \udcff")])
        assert " and " in index.tasks("F", "1")[0]["message"]

    # -- watching

    def test_watching_ends_in_time(self, open_index, index):
        self.put(index)
        watcher = open_index()
        for _ in range(3):
            started = time.monotonic()
            assert watcher.watch("F", "1", 0.3) in (True, False)
            assert time.monotonic() - started < 20
        watcher.close()

    @pytest.mark.parametrize("verb", ["status", "tasks", "tags", "announce"])
    def test_who_watches_is_woken(self, open_index, index, verb):
        self.put(index)
        watcher = open_index()
        watcher.watch("F", "1", 0.05)
        woken = threading.Event()

        def watch():
            while not watcher.watch("F", "1", 60):
                pass
            woken.set()

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        {
            "status": lambda: index.record_status("F", "1", status_record("completed", version=9)),
            "tasks": lambda: index.record_tasks([task_row()]),
            "tags": lambda: index.record_tags("F", "1", tags_record(["x"], version=9)),
            "announce": lambda: index.announce("F", "1"),
        }[verb]()
        assert woken.wait(30)
        thread.join()
        watcher.close()

    # -- several of them

    def test_two_open_indexes_see_each_other(self, open_index):
        one, two = open_index(), open_index()
        self.put(one, "1")
        self.put(two, "2")
        assert one.run_ids("F") == two.run_ids("F") == {"1", "2"}
        one.close()
        assert one.run_ids("F") == {"1", "2"}
