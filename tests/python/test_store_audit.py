import pytest
from flows import flow, step
from metaflow_core.client.session import Session
from metaflow_core.storages.local import LocalStorage
from metaflow_core.storages.memory import MemoryStorage
from metaflow_core.store import audit as audit_module
from metaflow_core.store.audit import AuditLog
from scripted_backend import Engine, fail, succeed


@pytest.fixture(params=["local", "memory"])
def log(request, tmp_path):
    return AuditLog(MemoryStorage() if request.param == "memory" else LocalStorage(str(tmp_path / "root")))


@pytest.fixture
def at(log, monkeypatch):
    """Writes a record at a moment."""

    def write(now, action="run started", user="alice", **facts):
        with monkeypatch.context() as patch:
            patch.setattr(audit_module.time, "time", lambda: now)
            log.write(action, user, **facts)

    return write


def test_a_record_is_one_key_of_its_day(log, at):
    at(1_700_000_000.25, flow="F", run="1", tags=["x"])
    (key,) = (entry.key for entry in log._storage.walk("audit"))
    assert key.startswith("audit/2023-11-14/221320.250000-") and key.endswith(".json")
    (record,) = log.read()
    assert {name: record[name] for name in ("time", "action", "user", "flow", "run", "tags")} == {
        "time": 1_700_000_000.25, "action": "run started", "user": "alice", "flow": "F", "run": "1", "tags": ["x"],
    }
    assert record["host"]


def test_records_are_read_newest_first_and_by_what_they_say(log, at):
    day = 86400.0
    deeds = [("a", "alice", "F"), ("b", "bob", "F"), ("a", "bob", "G"), ("c", "bob", "F")]
    for n, (action, user, name) in enumerate(deeds):
        at(day * 100 + n * day / 2, action, user, flow=name, run=str(n))

    def runs(**conditions):
        return "".join(row["run"] for row in log.read(**conditions))

    assert runs() == "3210"
    assert (runs(flow="F"), runs(user="bob"), runs(action="a"), runs(flow="F", run="1")) == ("310", "321", "20", "1")
    assert (runs(since=day * 100.5), runs(until=day * 100.5)) == ("321", "10")
    assert runs(since=day * 101, until=day * 101) == "2"
    assert (runs(limit=2), runs(limit=0), runs(flow="F", limit=1)) == ("32", "", "3")


def test_two_at_one_moment_are_two(log, at):
    for _ in range(20):
        at(1000.0)
    assert len(log.read()) == 20


def test_runs_and_tags_leave_their_records(tmp_path):
    engine = Engine(tmp_path / "store", flow(step("start", "end"), step("end")).to_dict())
    engine.run(lambda order: fail(order) if order["step"] == "end" else succeed(order), tags=["nightly"])
    engine.resume()
    Session(engine.settings, None, engine.open()).replace_tags("TestFlow/2", ["no such"], ["good"])
    Session(engine.settings, None, engine.open()).add_tags("TestFlow/2", ["good"])  # it is there, so nobody did anything
    with pytest.raises(Exception, match="cannot be removed"):
        Session(engine.settings, None, engine.open()).remove_tags("TestFlow/2", ["user:tester"])
    rows = AuditLog(engine.open().storage).read(flow="TestFlow")
    assert [(row["action"], row["run"]) for row in reversed(rows)] == [
        ("run started", "1"), ("run failed", "1"), ("run resumed", "2"), ("run completed", "2"), ("tags changed", "2"),
    ]
    assert {row["user"] for row in rows} == {"tester"}
    assert rows[-1]["tags"] == ["nightly"] and rows[2]["origin"] == "1"
    assert (rows[0]["added"], rows[0]["removed"]) == (["good"], ["no such"])


def test_a_record_that_cannot_be_written_does_not_stop_the_run(tmp_path):
    engine = Engine(tmp_path / "store", flow(step("start", "end"), step("end")).to_dict())
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "audit").write_text("in the way")
    loop = engine.run()
    assert loop.status == "completed"
    assert [event["event"] for event in loop.told].count("warning") == 1
