"""What R asks when it browses: through the bridge's one function, JSON in and JSON out."""

import json
import shutil

import pytest
from metaflow_core.bridge import call
from metaflow_core.bridge.browse import METHODS
from metaflow_core.settings import load_settings
from metaflow_core.store.open import open_store
from suites.made_runs import RunMaker


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "root")


@pytest.fixture
def store(root):
    store = open_store(load_settings(arguments={"datastore_root": root}))
    yield store
    store.close()


def ask(method, **arguments):
    """The value, or the error as a dict with "classes"."""
    answer = json.loads(call(f"browse.{method}", json.dumps(arguments)))
    return answer["ok"] if "ok" in answer else answer["error"]


def look(root, *namespace):
    settings = {"arguments": {"datastore_root": root}}
    return ask("view", settings={"environment": {"USER": "alice"}, **settings}, namespace=namespace)


def test_a_view_says_where_and_through_which_namespace(root):
    view = look(root)
    assert (view["datastore"], view["datastore_root"], view["namespace"]) == ("local", root, ["user:alice"])
    assert look(root, None)["namespace"] == [None]
    assert look(root, "prod")["namespace"] == ["prod"]


def test_the_environment_of_a_view_is_that_of_r(root, monkeypatch):
    monkeypatch.setenv("METAFLOW_DATASTORE_ROOT", "/stale")
    given = {"USER": "alice", "METAFLOW_DATASTORE_ROOT": root, "METAFLOW_DEFAULT_NAMESPACE": "team"}
    view = ask("view", settings={"environment": given}, namespace=[])
    assert (view["datastore_root"], view["namespace"]) == (root, ["team"])


def test_a_view_is_enough_to_ask_again_in_another_process(root, store, monkeypatch):
    from metaflow_core.bridge import browse

    RunMaker(store).branch()
    view = look(root)
    monkeypatch.setattr(browse, "_settings", {})
    assert ask("run", view=view, pathspec="F/1")["status"] == "completed"


def test_runs_cross_as_columns(root, store):
    RunMaker(store, tags=["x"]).branch()
    RunMaker(store)
    columns = ask("runs", view=look(root), flow="F", where={})
    assert columns["run"] == ["2", "1"]
    assert columns["status"] == ["running", "completed"]
    assert columns["finished_at"] == [None, 3000.0]
    assert columns["tags"] == [[], ["x"]]
    assert ask("runs", view=look(root), flow="F", limit=1)["run"] == ["2"]
    assert ask("run_ids", view=look(root), flow="F", tags=["x"]) == ["1"]


def test_lines_of_one_attempt(root, store):
    made = RunMaker(store)
    made.task("start", stdout=b"first\n", ok=False)
    made.task("start", task="1", attempt=1, stdout=b"second\nlast", stderr=b"careful\n")
    both = {"pathspec": "F/1/start/1", "streams": ["stdout", "stderr"]}
    assert ask("lines", view=look(root), **both)["line"] == ["second", "last", "careful"]
    first = ask("lines", view=look(root), **both, attempt=0)
    assert (first["line"], first["stream"], first["attempt"]) == (["first"], ["stdout"], [0])


def test_summary_has_a_row_for_each_step_with_what_it_used(root, store):
    made = RunMaker(store)
    made.task("start", usage={"max_rss_bytes": 10})
    made.task("start", usage={"max_rss_bytes": 30})
    made.task("start", usage=None)
    steps = ask("summary", view=look(root), pathspec="F/1")
    assert [step["usage"] and step["usage"]["memory_max_bytes"] for step in steps] == [30, None, None, None, None]


def test_bars_cross_as_columns(root, store):
    RunMaker(store).task("start", started_at=1.0, finished_at=3.5)
    bars = ask("bars", view=look(root), pathspec="F/1")
    assert (bars["step"], bars["status"]) == (["start"], ["done"])
    assert (bars["started_at"], bars["finished_at"]) == ([1.0], [3.5])


def test_tasks_that_were_taken_over_do_not_lengthen_a_step(root, store):
    made = RunMaker(store)
    made.task("start", origin="F/0/start/1/0", started_at=1.0, finished_at=2.0)
    made.task("a", origin="F/0/a/2/0", started_at=1.0, finished_at=2.0)
    made.task("a", started_at=900.0, finished_at=903.0)
    made.finish()
    start, a = ask("steps", view=look(root), pathspec="F/1")[:2]
    assert (start["started_at"], start["finished_at"]) == (None, None)
    assert (a["started_at"], a["finished_at"]) == (900.0, 903.0)
    assert ask("step", view=look(root), pathspec="F/1/a")["started_at"] == 900.0


def test_parameters_are_found_before_any_task_has_finished(root, store):
    digest = store.blobs.put_bytes(b"..value")
    record = {"digest": "d" * 64, "blob": digest, "offset": 2, "size": 5, "encoding": "r-serialize-3"}
    RunMaker(store, parameters={"alpha": record})
    found = ask("parameters", view=look(root), pathspec="F/1")["alpha"]
    assert (found["path"], found["offset"], found["size"]) == (store.blobs.path(digest), 2, 5)


def test_whether_a_namespace_lets_see(root, store):
    RunMaker(store).branch()
    for pathspec in ("F", "F/1", "F/1/start", "F/1/start/1"):
        assert ask("is_visible", view=look(root), pathspec=pathspec) is True
        assert ask("is_visible", view=look(root, "user:bob"), pathspec=pathspec) is False
    assert "metaflow_not_found_error" in ask("is_visible", view=look(root), pathspec="F/9")["classes"]


def test_a_datastore_that_was_made_anew_is_not_answered_from_memory(root, store):
    RunMaker(store, seed=1).branch()
    view = look(root)
    assert ask("run", view=view, pathspec="F/1")["seed"] == 1
    shutil.rmtree(root)
    assert "metaflow_not_found_error" in ask("run", view=view, pathspec="F/1")["classes"]
    RunMaker(store, seed=2).branch()
    assert ask("run", view=view, pathspec="F/1")["seed"] == 2


def test_methods_that_are_passed_on_are_those_of_the_session():
    from metaflow_core.bridge import browse
    from metaflow_core.client import Session

    passed_on = {name for name, handler in METHODS.items() if getattr(browse, name, None) is not handler}
    assert [name for name in sorted(passed_on) if not hasattr(Session, name)] == []
