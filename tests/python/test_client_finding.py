"""What is said about what is not there, or may not be seen."""

import pytest
from metaflow_core.client import Session
from metaflow_core.errors import InvalidPathspec, NamespaceMismatch, NotFound
from metaflow_core.settings import load_settings
from suites.made_runs import RunMaker


@pytest.fixture
def session(tmp_path):
    session = Session(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    yield session
    session.close()


def refusal(error, call, *args, **kwargs):
    with pytest.raises(error) as caught:
        call(*args, **kwargs)
    return caught.value


def test_an_empty_store(session):
    assert session.flows() == session.runs() == []
    assert session.latest_run("F") is None
    error = refusal(NotFound, session.run, "F/1")
    assert error.message == f"there is no flow 'F' in the datastore at {session.store.storage.root}"
    assert "no runs" in error.hint and "METAFLOW_DATASTORE_ROOT" in error.hint


def test_a_flow_that_does_not_exist(session):
    RunMaker(session.store, flow="BranchFlow")
    for call in (
        lambda: session.flow("BrnchFlow"),
        lambda: session.runs("BrnchFlow"),
        lambda: session.run("BrnchFlow/1"),
        lambda: session.run("BrnchFlow/latest_run"),
    ):
        assert refusal(NotFound, call).hint == "Did you mean 'BranchFlow'?"


def test_a_run_that_does_not_exist(session):
    for _ in range(3):
        RunMaker(session.store)
    error = refusal(NotFound, session.tasks, "F/99/fit")
    assert error.message == "run 99 of F does not exist; newest is 3"
    assert error.data == {"pathspec": "F/99/fit", "newest": "3"}


def test_a_step_that_does_not_exist(session):
    RunMaker(session.store).branch()
    error = refusal(NotFound, session.step, "F/1/stat")
    assert (error.message, error.hint) == ("F/1 has no step 'stat'", "Did you mean 'start'?")


def test_a_task_that_does_not_exist(session):
    made = RunMaker(session.store)
    assert refusal(NotFound, session.task, "F/1/a/7").message == "task 7 of F/1/a does not exist; it has not started"
    for _ in range(3):
        made.task("a")
    assert refusal(NotFound, session.task, "F/1/a/7").message == "task 7 of F/1/a does not exist; its tasks are 1, 2, 3"
    for _ in range(7):
        made.task("a")
    assert refusal(NotFound, session.log, "F/1/a/77").message.endswith("its tasks are 1, 2, 3 … 10 (10 in all)")


def test_an_attempt_that_does_not_exist(session):
    made = RunMaker(session.store)
    made.task("a", task="1")
    assert "its only attempt is 0" in refusal(NotFound, session.task, "F/1/a/1", 4).message
    made.task("a", task="1", attempt=1)
    for call in (session.task, session.artifacts, lambda p, a: session.log(p, "stdout", a)):
        assert "attempt 4 of F/1/a/1 does not exist; its attempts are 0, 1" in refusal(NotFound, call, "F/1/a/1", 4).message


def test_an_artifact_that_does_not_exist(session):
    RunMaker(session.store).branch()
    error = refusal(NotFound, session.locate, "F/1/end/5/bst")
    assert (error.message, error.hint) == ("F/1/end/5 has no artifact 'bst'", "Did you mean 'best'?")


def test_artifacts_of_what_has_not_finished(session):
    made = RunMaker(session.store)
    made.started("start")
    assert refusal(NotFound, session.artifacts, "F/1/start/1").message == (
        "attempt 0 of F/1/start/1 has not finished (the run is running)"
    )
    error = refusal(NotFound, session.artifacts, "F/1")
    assert error.message == "F/1 has no end task (the run is running), so it has no artifacts of its own"


@pytest.mark.parametrize(
    "call, pathspec",
    [
        ("run", "F"),
        ("run", "F/1/a"),
        ("task", "F/1"),
        ("tasks", "F"),
        ("flow", "F/1"),
        ("locate", "F/1"),
        ("log", "F/1"),
        ("artifacts", "F/1/a"),
        ("add_tags", "F"),
    ],
)
def test_a_pathspec_of_the_wrong_level(session, call, pathspec):
    RunMaker(session.store).branch()
    arguments = ([],) if call == "add_tags" else ()
    error = refusal(InvalidPathspec, getattr(session, call), pathspec, *arguments)
    assert pathspec in error.message


# -- words for runs


def test_the_latest_runs_by_word(session):
    RunMaker(session.store).branch()
    RunMaker(session.store).finish("failed")
    assert session.run("F/latest_run")["run"] == "2"
    assert session.run("F/latest_successful_run")["run"] == "1"
    assert session.task("F/latest_successful_run/a/2")["pathspec"] == "F/1/a/2"
    assert session.latest_run("F")["run"] == "2"
    assert session.latest_successful_run("F")["run"] == "1"


def test_no_latest_run(session):
    RunMaker(session.store).finish("failed")
    assert session.latest_successful_run("F") is None
    assert refusal(NotFound, session.run, "F/latest_successful_run").message == "F has no successful run"
    session.namespace = "user:bob"
    error = refusal(NotFound, session.run, "F/latest_run")
    assert error.message == "F has no run in the namespace 'user:bob'"
    assert "set_namespace(NULL)" in error.hint


# -- namespaces


@pytest.fixture
def two_users(session):
    RunMaker(session.store, user="alice").branch()
    RunMaker(session.store, user="bob", tags=["team:green"]).branch()
    RunMaker(session.store, flow="OnlyBob", user="bob").branch()
    return session


def test_a_namespace_shows_its_runs_only(two_users):
    two_users.namespace = "user:alice"
    assert [row["run"] for row in two_users.runs("F")] == ["1"]
    assert [(row["flow"], row["runs"], row["newest"]) for row in two_users.flows()] == [("F", 1, "1")]
    assert two_users.latest_run("F")["run"] == "1"
    assert two_users.runs() == two_users.runs("F")
    two_users.namespace = "team:green"
    assert [row["run"] for row in two_users.runs("F")] == ["2"]
    two_users.namespace = None
    assert [row["run"] for row in two_users.runs("F")] == ["2", "1"]
    assert [row["flow"] for row in two_users.flows()] == ["F", "OnlyBob"]


def test_what_is_outside_is_named_with_the_cure(two_users):
    two_users.namespace = "user:alice"
    calls = [
        lambda: two_users.run("F/2"),
        lambda: two_users.steps("F/2"),
        lambda: two_users.tasks("F/2/a"),
        lambda: two_users.task("F/2/a/2"),
        lambda: two_users.locate("F/2/a/2/x"),
        lambda: two_users.log("F/2/a/2"),
        lambda: two_users.add_tags("F/2", ["x"]),
        lambda: two_users.artifacts("F/2"),
        lambda: two_users.children("F/2/start/1"),
        lambda: two_users.code_files("F/2"),
        lambda: two_users.spec("F/2"),
        lambda: two_users.condition("F/2/a/2"),
    ]
    for call in calls:
        error = refusal(NamespaceMismatch, call)
        assert error.message == "F/2 is not in the namespace 'user:alice'"
        assert error.hint == 'Use set_namespace(NULL) to see everything or set_namespace("user:bob").'
    error = refusal(NamespaceMismatch, two_users.flow, "OnlyBob")
    assert error.message == "OnlyBob has no run in the namespace 'user:alice'"


def test_a_tag_brings_a_run_into_a_namespace(two_users):
    two_users.add_tags("F/1", ["project:x"])
    two_users.namespace = "project:x"
    assert two_users.run("F/1")["run"] == "1"
    two_users.remove_tags("F/1", ["project:x"])
    assert refusal(NamespaceMismatch, two_users.run, "F/1")


def test_a_clone_may_show_the_logs_of_a_run_outside(two_users):
    RunMaker(two_users.store, user="alice", origin={"run": "2"}).task("start", origin="F/2/start/1/0")
    two_users.namespace = "user:alice"
    assert two_users.log("F/3/start/1")["text"] == "hello\nfrom start\n"
