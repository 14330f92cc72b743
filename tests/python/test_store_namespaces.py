import pytest
from flows import flow, step
from metaflow_core.client.session import Session
from metaflow_core.errors import NamespaceMismatch, ResumeError
from metaflow_core.settings import load_settings
from metaflow_core.store.liveness import HEARTBEAT_TIMEOUT_SECONDS
from metaflow_core.store.namespaces import check_namespace, in_namespace, namespace_tags
from scripted_backend import Engine, fail, succeed

RECORD = {"flow": "F", "run": "1", "system_tags": ["user:alice", "production"]}


def test_a_namespace_is_a_tag():
    for namespace in (None, "user:alice", "production", "x"):
        assert in_namespace(namespace, RECORD, {"tags": ["x"]})
    assert not in_namespace("user:bob", RECORD, {"tags": ["x"]})
    check_namespace("x", RECORD, {"tags": ["x"]})
    with pytest.raises(NamespaceMismatch) as caught:
        check_namespace("user:bob", RECORD, {"tags": ["x"]})
    assert 'set_namespace("user:alice")' in caught.value.hint


def test_a_shared_namespace_is_a_tag_of_new_runs_and_somebody_elses_is_not():
    assert namespace_tags("user:alice", "alice") == ["user:alice"]
    assert namespace_tags("production:42", "alice") == ["user:alice", "production:42"]
    assert namespace_tags("user:bob", "alice") == namespace_tags(None, "alice") == ["user:alice"]


class Team:
    """People who share one datastore, each on a machine of their own."""

    def __init__(self, root, monkeypatch):
        self.root, self.monkeypatch = root, monkeypatch

    def at(self, user, host=None, **settings):
        """The engine of somebody, whose machine this one is from now on."""
        self.monkeypatch.setenv("METAFLOW_HOST_NAME", host or f"machine-of-{user}")
        engine = Engine(self.root, flow(step("start", "a"), step("a", "end"), step("end")).to_dict())
        engine.settings = load_settings(arguments={"datastore_root": engine.root, "user": user, **settings})
        return engine

    def seen(self, user, namespace, where=None):
        engine = self.at(user)
        return [row["run"] for row in Session(engine.settings, namespace, engine.open()).runs("TestFlow", where)]


@pytest.fixture
def team(tmp_path, monkeypatch):
    return Team(tmp_path / "store", monkeypatch)


def test_each_sees_their_own_runs_those_of_production_and_all(team):
    team.at("alice").run()
    team.at("bob").run()
    team.at("bob").run(namespace="production:team")
    team.at("alice", default_namespace="production:team").run()
    assert team.seen("alice", "user:alice") == ["4", "1"]
    assert team.seen("bob", "user:bob") == ["3", "2"]
    assert team.seen("alice", "production:team") == ["4", "3"]
    assert team.seen("alice", None) == ["4", "3", "2", "1"]


def test_resume_takes_the_newest_run_of_the_namespace(team):
    def broken(order):
        return fail(order) if order["step"] == "a" else succeed(order)

    team.at("alice").run(broken)
    team.at("bob").run(broken)
    assert team.at("alice").resume()._record["origin"] == {"run": "1"}
    carol = team.at("carol")
    with pytest.raises(ResumeError) as caught:
        carol.resume()
    assert "user:carol" in caught.value.message and "set_namespace()" in caught.value.hint
    with pytest.raises(NamespaceMismatch):
        carol.resume(run="2")
    loop = carol.run(resume={"run": None, "step": None, "namespace": ["user:bob"]})
    assert (loop.status, loop._record["origin"], loop._record["user"]) == ("completed", {"run": "2"}, "carol")
    loop = carol.run(resume={"run": "2", "step": None, "namespace": [None]})
    assert loop.status == "completed"


def test_a_scheduler_that_died_on_another_machine(team, monkeypatch):
    # Alice's machine goes away in the middle of the run; its scheduler says nothing any more.
    alice = team.at("alice", default_namespace="production:team")
    loop, backend = alice.begin(lambda order: succeed(order) if order["step"] == "start" else "hang")
    for _ in range(5):
        loop.advance(0.01)
    assert set(alice.records("1")) == {"start"}

    bob = team.at("bob", default_namespace="production:team")
    session = Session(bob.settings, "production:team", bob.open())
    # For a while it may only be slow.
    assert [row["status"] for row in session.runs("TestFlow")] == ["running"]
    with pytest.raises(ResumeError, match="still running"):
        bob.resume()
    store = bob.open()
    heartbeat = store.runs.read_status("TestFlow", "1")["heartbeat_at"]
    late = heartbeat - HEARTBEAT_TIMEOUT_SECONDS - 1
    store.runs.update_status("TestFlow", "1", lambda status: {**status, "heartbeat_at": late})
    (row,) = session.runs("TestFlow", {"status": "lost"})
    assert (row["run"], row["finished"], row["successful"]) == ("1", True, False)
    assert session.run("TestFlow/1")["status"] == "lost"
    assert session.step("TestFlow/1/a")["status"] == "lost"
    loop = bob.resume()
    assert loop.status == "completed" and loop._record["origin"] == {"run": "1"}
    assert bob.records("2")["start"]["origin"] == "TestFlow/1/start/1/0"
    assert sorted(session.run("TestFlow/2")["system_tags"])[-1] == "user:bob"
    assert team.seen("alice", "production:team") == ["2", "1"]


def test_a_machine_with_our_name_is_not_ours(team):
    # Containers often have one name. The process is none of this machine's, so its heartbeat counts.
    engine = team.at("alice", host="worker")
    loop, _ = engine.begin(lambda order: "hang")
    loop.advance(0.01)
    store = engine.open()
    status = store.runs.read_status("TestFlow", "1")
    ticks = status["pid_start"].partition("-")[2]
    for pid_start, expected in ((f"0ther000-{ticks}", "running"), (f"{status['pid_start'][:8]}-1", "lost")):
        store.runs.update_status("TestFlow", "1", lambda s, start=pid_start: {**s, "pid_start": start})
        assert Session(engine.settings, None, store).run("TestFlow/1")["status"] == expected
