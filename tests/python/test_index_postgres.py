"""The PostgreSQL index, on a real server that is started here."""

import contextlib
import threading
import time

import psycopg
import pytest
from flows import flow, step
from metaflow_core.client.follow import LogFollower, wait_for_run
from metaflow_core.client.session import Session
from metaflow_core.errors import MissingExtra, StoreError, StoreTooNew
from metaflow_core.indexes import postgres
from metaflow_core.indexes.postgres import PostgresIndex
from metaflow_core.settings import explain, load_settings
from metaflow_core.store.catalog import catch_up_runs, catch_up_tasks
from metaflow_core.store.open import open_store
from scripted_backend import Engine, events, succeed
from suites.index import IndexSuite, run_record, status_record, tags_record, task_row
from suites.made_runs import RunMaker
from suites.postgres import PostgresServer
from suites.processes import in_processes


def no_fill(index):
    pass


@pytest.fixture
def address(postgres_server):
    return postgres_server.new_database()


@pytest.fixture
def opened():
    """Makes indexes that are closed at the end."""
    made = []

    def make(*arguments, **more):
        made.append(PostgresIndex(*arguments, **more))
        return made[-1]

    yield make
    for index in made:
        index.close()


class TestPostgresIndex(IndexSuite):
    @pytest.fixture
    def open_index(self, address, opened):
        return lambda fill=no_fill: opened(address, fill)

    def test_tables_that_are_dropped_are_made_and_filled_again(self, open_index, address):
        index = open_index(lambda index: self.put(index, "7"))
        self.put(index, "1")
        with psycopg.connect(address, autocommit=True) as other:
            other.execute("DROP SCHEMA metaflow_default CASCADE")
        assert index.run_ids("F") == {"7"}
        with psycopg.connect(address, autocommit=True) as other:
            other.execute("DROP SCHEMA metaflow_default CASCADE")
        self.put(index, "2")
        assert index.run_ids("F") == {"2", "7"}

    def test_a_forked_child_opens_its_own_connection(self, index):
        import os

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

    def test_ten_thousand_runs(self, index):
        runs = map(str, range(1, 10_001))
        index.record_runs((run_record(run), status_record("completed"), tags_record(["t"])) for run in runs)
        assert len(index.runs("F")) == 10_000
        assert [row["run"] for row in index.runs("F", {"tags_all": ["t"], "status": "completed"}, limit=1)] == ["10000"]

    def test_two_who_change_the_same_rows_in_another_order_both_come_through(self, open_index):
        indexes = [open_index(), open_index()]
        runs = [str(n) for n in range(1, 60)]
        problems = []

        def change(index, order):
            try:
                for version in range(1, 15):
                    status, tags = status_record(version=version), tags_record(["t"], version)
                    index.record_runs([(run_record(run), status, tags) for run in order])
                    index.record_tasks([task_row(task=run) for run in order])
            except Exception as problem:
                problems.append(problem)

        threads = [threading.Thread(target=change, args=pair) for pair in zip(indexes, (runs, runs[::-1]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        assert len(indexes[0].runs("F", {"tags_all": ["t"]})) == 59


def test_eight_processes_make_the_tables_and_write_at_once(address, opened):
    in_processes(
        8,
        """
        from metaflow_core.indexes.postgres import PostgresIndex
        index = PostgresIndex(sys.argv[1], lambda index: None)
        for n in range(20):
            row = {"flow": "F", "run": "1", "step": f"s{sys.argv[2]}", "task": n, "attempt": 0, "status": "done"}
            index.record_tasks([row])
            assert index.counts("F", "1")[f"s{sys.argv[2]}"] == {"done": n + 1}
        index.close()
    """,
        address,
    )
    assert opened(address, no_fill).counts("F", "1") == {f"s{n}": {"done": 20} for n in range(8)}


# -- versions of the schema


def test_an_older_schema_is_brought_up_to_date_with_its_rows(address, opened, monkeypatch):
    old = opened(address, no_fill)
    old.record_run(run_record("1"), status_record(), tags_record())
    old.close()
    more = ["ALTER TABLE runs ADD COLUMN mood TEXT", "UPDATE runs SET mood = 'good'"]
    monkeypatch.setattr(postgres, "MIGRATIONS", [*postgres.MIGRATIONS, more, ["CREATE TABLE extra (x TEXT)"]])
    new = opened(address, lambda index: pytest.fail("the rows are there"))
    assert new.run("F", "1")["user"] == "alice"
    assert new._select("SELECT mood FROM runs") == [("good",)]
    assert new._select("SELECT * FROM extra") == []


def test_a_migration_that_fails_changes_nothing(address, opened, monkeypatch):
    opened(address, no_fill).record_run(run_record("1"), status_record(), tags_record())
    bad = [*postgres.MIGRATIONS, ["ALTER TABLE runs ADD COLUMN mood TEXT", "this is no SQL"]]
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "MIGRATIONS", bad)
        with pytest.raises(StoreError):
            opened(address, no_fill).runs()
    assert [row["run"] for row in opened(address, no_fill).runs()] == ["1"]


def test_a_newer_schema_is_left_alone(address, opened, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "MIGRATIONS", [*postgres.MIGRATIONS, ["CREATE TABLE extra (x TEXT)"]])
        opened(address, no_fill).record_tasks([task_row()])
    with pytest.raises(StoreTooNew) as caught:
        opened(address, no_fill).runs()
    assert "Upgrade" in caught.value.hint and "schema 2" in caught.value.message


def test_a_run_goes_on_without_an_index_that_is_newer(address, tmp_path, monkeypatch):
    engine = Engine(tmp_path / "store", flow(step("start", "end"), step("end")).to_dict())
    engine.settings = load_settings(arguments={"datastore_root": engine.root, "index": address})
    engine.run(succeed)
    more = [*postgres.MIGRATIONS, ["CREATE TABLE extra (x TEXT)"]]
    with monkeypatch.context() as patch:
        patch.setattr(postgres, "MIGRATIONS", more)
        assert engine.open().index.run("TestFlow", "1")["status"] == "completed"
    loop = engine.run(succeed)
    assert loop.status == "completed"
    (warning,) = events(loop, "warning")
    assert "Upgrade" in warning["text"] and "reindex" not in warning["text"]
    monkeypatch.setattr(postgres, "MIGRATIONS", more)
    store = engine.open()
    catch_up_runs(store)
    assert store.index.run("TestFlow", "2")["status"] == "completed"


# -- addresses


def test_an_address_that_is_none():
    with pytest.raises(StoreError) as caught:
        PostgresIndex("postgresql://user@host/db?nonsense=1", no_fill)
    assert "METAFLOW_INDEX" in caught.value.message and "postgresql://user@host" in caught.value.hint


def test_a_server_that_is_not_there_is_named_without_its_password(opened):
    index = opened("postgresql://me:very-secret@127.0.0.1:1/db", no_fill)
    for _ in range(2):
        with pytest.raises(StoreError) as caught:
            index.runs()
        assert "postgresql://127.0.0.1:1/db" in caught.value.message and "secret" not in str(caught.value)
        assert "METAFLOW_INDEX" in caught.value.hint


def test_the_password_is_not_shown_among_the_settings():
    shown = explain(load_settings(arguments={"index": "postgresql://me:very-secret@host/db"}))
    assert "very-secret" not in str(shown)


def test_without_psycopg_the_cure_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra) as caught:
        PostgresIndex("postgresql://host/db", no_fill)
    assert "psycopg" in caught.value.hint


# -- stores


@pytest.fixture
def open_on(address):
    """Opens datastores whose index is in one database."""
    made = []

    def make(root, **more):
        settings = load_settings(arguments={"datastore_root": str(root), "index": address, **more})
        made.append(open_store(settings))
        return made[-1]

    yield make
    for store in made:
        store.close()


def test_many_stores_share_one_database(open_on, tmp_path):
    one, two = open_on(tmp_path / "one"), open_on(tmp_path / "two")
    RunMaker(one).branch()
    RunMaker(two, flow="G").finish()
    assert [row["flow"] for row in one.index.flows()] == ["F"]
    assert [row["flow"] for row in two.index.flows()] == ["G"]
    # The same store under another name: its identity goes with it.
    (tmp_path / "one").rename(tmp_path / "moved")
    assert [row["flow"] for row in open_on(tmp_path / "moved").index.flows()] == ["F"]


def test_looking_at_no_store_makes_nothing(open_on, address, tmp_path):
    store = open_on(tmp_path / "none")
    assert store.index.runs() == store.index.flows() == []
    assert not (tmp_path / "none").exists()
    with psycopg.connect(address) as other:
        assert other.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'metaflow%'").fetchone() == (0,)


def test_a_store_that_was_deleted_and_made_anew_has_no_old_rows(open_on, tmp_path):
    import shutil

    RunMaker(open_on(tmp_path / "root"), tags=["old"]).finish()
    shutil.rmtree(tmp_path / "root")
    RunMaker(open_on(tmp_path / "root"), index=False)
    assert [row["tags"] for row in open_on(tmp_path / "root").index.runs()] == [[]]


# -- a server that goes away


@pytest.fixture
def own_server():
    """A server that may be stopped: the others share one."""
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.close()


def test_a_run_goes_on_without_its_index_and_the_index_catches_up(own_server, tmp_path):
    chain = flow(step("start", "a"), step("a", "b"), step("b", "end"), step("end"))
    engine = Engine(tmp_path / "store", chain.to_dict())
    engine.settings = load_settings(arguments={"datastore_root": engine.root, "index": own_server.new_database()})

    def behave(order):
        if order["step"] == "a":
            own_server.stop()
        return succeed(order)

    watcher = engine.open()
    loop = engine.run(behave)
    assert loop.status == "completed"
    assert len(engine.records("1")) == 4
    (warning,) = events(loop, "warning")
    assert "cannot be reached" in warning["text"] and "reindex()" in warning["text"]
    with pytest.raises(StoreError):
        watcher.index.runs()
    own_server.start()
    # The client catches up by itself, also one that met the server while it was away.
    until = time.monotonic() + 60
    while time.monotonic() < until:
        with contextlib.suppress(StoreError):
            catch_up_runs(watcher)
            break
        time.sleep(0.05)
    assert watcher.index.run("TestFlow", "1")["status"] == "completed"
    catch_up_tasks(watcher, "TestFlow", "1")
    assert watcher.index.counts("TestFlow", "1") == {name: {"done": 1} for name in ("start", "a", "b", "end")}
    watcher.close()


def test_a_server_that_comes_back_while_the_run_goes_on(own_server, tmp_path):
    engine = Engine(tmp_path / "store", flow(step("start", "a"), step("a", "end"), step("end")).to_dict())
    engine.settings = load_settings(arguments={"datastore_root": engine.root, "index": own_server.new_database()})

    def behave(order):
        if order["step"] == "a":
            own_server.stop()
            own_server.start()
        return succeed(order)

    loop = engine.run(behave)
    assert loop.status == "completed" and events(loop, "warning") == []
    assert engine.open().index.run("TestFlow", "1")["status"] == "completed"


def test_logs_and_runs_are_followed_while_the_index_is_away(own_server, tmp_path):
    settings = load_settings(arguments={"datastore_root": str(tmp_path / "store"), "index": own_server.new_database()})
    store, other = open_store(settings), open_store(settings)
    made = RunMaker(store)
    made.task("start", stdout=b"one\n")
    follower = LogFollower(Session(settings, None, other), "F/1")
    assert [row["line"] for row in follower.advance(0)] == ["one"]
    own_server.stop()
    made.index = False
    made.task("a", stdout=b"two\n")
    made.started("b", "3", stdout=b"three\n")
    assert [(row["task"], row["line"]) for row in follower.advance(0)] == [("2", "two"), ("3", "three")]
    assert wait_for_run(Session(settings, None, other), "F/1", 0.1) == "running"
    own_server.start()
    made.finish()
    assert follower.advance(60) == [] and follower.finished
    assert wait_for_run(Session(settings, None, other), "F/1", 60) == "completed"
    store.close()
    other.close()
