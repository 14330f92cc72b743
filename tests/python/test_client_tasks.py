import os

import pytest
from metaflow_core.client import Session
from metaflow_core.errors import Corrupted, InvalidPathspec, NotFound, UnknownOption
from metaflow_core.settings import load_settings
from metaflow_core.store.blobs import digest_of
from suites.made_runs import BRANCH, RunMaker


@pytest.fixture
def session(tmp_path):
    session = Session(load_settings(arguments={"datastore_root": str(tmp_path / "root")}))
    yield session
    session.close()


@pytest.fixture
def branch(session):
    return RunMaker(session.store).branch()


def fan_out(session, count=12):
    """start/1, then `count` tasks of fit, then join."""
    steps = [
        {"name": "start", "next": ["fit"], "foreach": "grid"},
        {"name": "fit", "next": ["join"]},
        {"name": "join", "next": [], "join": True},
    ]
    made = RunMaker(session.store, steps=steps)
    made.task("start", artifacts={"grid": made.artifact(b"grid")})
    fits = [
        made.task(
            "fit",
            ["start/1"],
            position=f"fit[{n}]",
            stack=[{"step": "start", "var": "grid", "index": n, "count": count}],
        )
        for n in range(count)
    ]
    made.task("join", [f"fit/{task}" for task in fits])
    return made


# -- rows and records


def test_tasks_of_a_run_come_in_the_order_of_the_flow(session, branch):
    assert [row["pathspec"] for row in session.tasks("F/1")] == [
        "F/1/start/1",
        "F/1/a/2",
        "F/1/b/3",
        "F/1/join/4",
        "F/1/end/5",
    ]
    assert [row["pathspec"] for row in session.tasks("F/1/a")] == ["F/1/a/2"]


def test_tasks_of_a_foreach_come_in_order_with_their_index(session):
    fan_out(session)
    rows = session.tasks("F/1/fit")
    assert [row["index"] for row in rows] == list(range(12))
    assert [row["task"] for row in rows] == [str(n) for n in range(2, 14)]
    assert [row["index"] for row in session.tasks("F/1/fit", limit=2, offset=3)] == [3, 4]
    assert session.tasks("F/1/fit", status="failed") == []
    assert len(session.tasks("F/1", status="done")) == 14


@pytest.mark.parametrize(
    "position, index", [("fit", None), ("fit[3]", 3), ("fit[3][0]", 0), ("loop#2", None), ("loop[4]#2", 4)]
)
def test_the_index_is_the_innermost(session, position, index):
    RunMaker(session.store).task("start", position=position)
    assert session.tasks("F/1")[0]["index"] == session.task("F/1/start/1")["index"] == index


def test_everything_about_a_task(session, branch):
    task = session.task("F/1/join/4")
    assert task["pathspec"] == "F/1/join/4"
    assert (task["status"], task["ok"], task["finished"], task["attempt"], task["attempts"]) == (
        "done",
        True,
        True,
        0,
        [0],
    )
    assert task["parents"] == ["F/1/a/2", "F/1/b/3"]
    assert task["usage"]["max_rss_bytes"] == 1024 and task["seed"] == 5
    assert task["artifact_names"] == ["best", "x"]
    assert task["error"] is None and task["logs"] == {"stdout": 0, "stderr": 0}


def test_a_task_that_failed(session):
    error = {
        "classes": ["simpleError", "error", "condition"],
        "message": "broken",
        "call": "f(x)",
        "cause": "error",
        "frames": [],
        "condition": None,
    }
    RunMaker(session.store).task("start", ok=False, error=error, exit=1)
    task = session.task("F/1/start/1")
    assert (task["status"], task["ok"], task["cause"], task["message"], task["exit"]) == (
        "failed",
        False,
        "error",
        "broken",
        1,
    )
    assert task["error"] == error
    assert session.condition("F/1/start/1") is None


def test_a_task_that_was_retried(session):
    made = RunMaker(session.store)
    made.task("start", task="1", ok=False, error={"message": "first", "cause": "timeout"})
    made.task("start", task="1", attempt=1)
    task = session.task("F/1/start/1")
    assert (task["attempt"], task["attempts"], task["status"]) == (1, [0, 1], "done")
    first = session.task("F/1/start/1", attempt=0)
    assert (first["status"], first["message"], first["cause"]) == ("failed", "first", "timeout")
    assert [(row["attempt"], row["message"]) for row in session.attempts("F/1/start/1")] == [(0, "first"), (1, None)]
    assert len(session.tasks("F/1/start")) == 1


@pytest.mark.parametrize("end, shown", [(None, "retrying"), ("failed", "failed"), ("interrupted", "failed")])
def test_a_task_that_waits_to_be_tried_again(session, end, shown):
    made = RunMaker(session.store)
    made.task("start", task="1", ok=False)
    session.store.index.record_tasks([{**session.store.index.tasks("F", "1")[0], "status": "retrying"}])
    if end:
        made.finish(end)
    assert session.step("F/1/start")["status"] == session.tasks("F/1/start")[0]["status"] == shown


def test_attempts_tell_how_each_ended(session):
    made = RunMaker(session.store)
    made.task("start", task="1", ok=False)
    made.started("start", task="1", attempt=1)
    assert [row["status"] for row in session.attempts("F/1/start/1")] == ["failed", "running"]
    made.task("start", task="1", attempt=1)
    made.finish()
    assert [row["status"] for row in session.attempts("F/1/start/1")] == ["failed", "done"]


def test_a_task_in_flight(session):
    made = RunMaker(session.store)
    made.started("start", stdout=b"so far")
    task = session.task("F/1/start/1")
    assert (task["status"], task["finished"], task["ok"], task["artifact_names"]) == ("running", False, None, [])
    assert [row["status"] for row in session.tasks("F/1/start")] == ["running"]
    assert session.log("F/1/start/1")["text"] == "so far"


def test_a_task_whose_row_the_engine_has_not_written_yet(session):
    made = RunMaker(session.store)
    made.task("start", index=False)
    assert [row["status"] for row in session.tasks("F/1")] == ["done"]


# -- parents and children


def test_parents_and_children(session, branch):
    assert session.parents("F/1/start/1") == session.children("F/1/end/5") == []
    assert session.parents("F/1/join/4") == session.children("F/1/start/1") == ["F/1/a/2", "F/1/b/3"]
    assert session.children("F/1/a/2") == ["F/1/join/4"]


def test_children_of_a_foreach_are_named_once_and_in_order(session):
    made = fan_out(session, 11)
    made.task("fit", ["start/1"], attempt=1, task="2")
    assert session.children("F/1/start/1") == [f"F/1/fit/{n}" for n in range(2, 13)]
    assert session.children("F/1/fit/5") == ["F/1/join/13"]


def test_children_in_a_run_without_a_spec(session):
    made = RunMaker(session.store, steps=[])
    made.task("one")
    made.task("two", ["one/1"])
    assert session.children("F/1/one/1") == ["F/1/two/2"]


def test_children_of_a_step_that_points_to_itself(session):
    made = RunMaker(session.store, steps=[{"name": "loop", "next": ["loop", "end"]}, {"name": "end", "next": []}])
    made.task("loop")
    made.task("loop", ["loop/1"], position="loop#1")
    made.task("end", ["loop/2"])
    assert session.children("F/1/loop/1") == ["F/1/loop/2"]
    assert session.children("F/1/loop/2") == ["F/1/end/3"]


# -- artifacts


def test_artifacts_of_a_task_and_of_a_run(session, branch):
    assert sorted(session.artifacts("F/1/a/2")) == ["x", "y"]
    assert session.artifacts("F/1") == session.artifacts("F/1/end/5")
    assert session.artifacts("F/1")["x"]["digest"] == digest_of(b"x of end")
    assert session.artifacts("F/1/a/2")["x"]["digest"] == digest_of(b"x of start")


def test_parameters_are_artifacts_of_every_task(session):
    RunMaker(session.store).branch()
    digest = session.store.blobs.put_bytes(b"0.1")
    made = RunMaker(session.store, parameters={"alpha": {"digest": digest, "size": 3, "repr": "0.1"}})
    made.task("start", artifacts={"x": made.artifact(b"x")})
    assert sorted(session.artifacts("F/2/start/1")) == ["alpha", "x"]
    assert session.locate("F/2/start/1/alpha")["repr"] == "0.1"
    assert session.run("F/2")["parameters"]["alpha"]["repr"] == "0.1"


def test_an_artifact_is_a_place_in_a_file(session, branch):
    place = session.locate("F/1/end/5/x")
    assert (place["name"], place["pathspec"], place["offset"], place["size"]) == ("x", "F/1/end/5", 0, 8)
    assert (place["encoding"], place["class"], place["blob"]) == ("r-serialize-3", ["character"], place["digest"])
    with open(place["path"], "rb") as file:
        assert file.read() == b"x of end"
    assert session.locate("F/1/end/5", "x") == session.locate("F/1", "x") == place
    assert session.locate("F/1/end/5/x", verify=True) == place


def packed(session):
    made = RunMaker(session.store)
    blob = session.store.blobs.put_bytes(b"firstsecond")
    one = {"digest": digest_of(b"first"), "size": 5, "blob": blob, "encoding": "json"}
    two = {"digest": digest_of(b"second"), "size": 6, "blob": blob, "offset": 5, "encoding": "json"}
    made.task("start", artifacts={"one": one, "two": two, "undigested": {**two, "digest": ""}})
    return blob


@pytest.mark.parametrize("verify", [False, True])
def test_an_artifact_in_a_pack(session, verify):
    blob = packed(session)
    place = session.locate("F/1/start/1/two", verify=verify)
    assert (place["blob"], place["offset"], place["size"]) == (blob, 5, 6)
    with open(place["path"], "rb") as file:
        file.seek(place["offset"])
        assert file.read(place["size"]) == b"second"
    assert session.locate("F/1/start/1/one", verify=verify)["offset"] == 0
    assert session.locate("F/1/start/1/undigested", verify=verify)["offset"] == 5


def test_a_damaged_artifact(session):
    blob = packed(session)
    path = session.store.blobs.path(blob)
    with open(path, "wb") as file:
        file.write(b"firstsecxnd")
    session.locate("F/1/start/1/two")  # the size is right: only `verify` reads the bytes
    session.locate("F/1/start/1/one", verify=True)  # its part of the pack is well
    with pytest.raises(Corrupted) as caught:
        session.locate("F/1/start/1/two", verify=True)
    assert blob in caught.value.message
    os.truncate(path, 7)
    with pytest.raises(Corrupted) as caught:
        session.locate("F/1/start/1/two")
    assert "has 7 bytes, at least 11 were stored" in caught.value.message
    os.unlink(path)
    with pytest.raises(NotFound) as caught:
        session.locate("F/1/start/1/two")
    assert blob in caught.value.message


def test_a_whole_blob_of_the_wrong_size(session, branch):
    with open(session.locate("F/1/end/5/x")["path"], "ab") as file:
        file.write(b"more")
    with pytest.raises(Corrupted) as caught:
        session.locate("F/1/end/5/x")
    assert "has 12 bytes, 8 were stored" in caught.value.message


def test_an_artifact_needs_a_name(session, branch):
    with pytest.raises(InvalidPathspec) as caught:
        session.locate("F/1/end/5")
    assert "does not name an artifact" in caught.value.message


def test_artifacts_of_an_earlier_attempt(session):
    made = RunMaker(session.store)
    made.task("start", task="1", ok=False, artifacts={"early": made.artifact(b"e")})
    made.task("start", task="1", attempt=1, artifacts={"late": made.artifact(b"l")})
    assert list(session.artifacts("F/1/start/1")) == ["late"]
    assert list(session.artifacts("F/1/start/1", attempt=0)) == ["early"]
    assert session.locate("F/1/start/1/early", attempt=0)["size"] == 1


def test_the_condition_of_a_failed_task(session):
    made = RunMaker(session.store)
    error = {"message": "m", "cause": "error", "condition": made.artifact(b"an R condition")}
    made.task("start", ok=False, error=error)
    with open(session.condition("F/1/start/1")["path"], "rb") as file:
        assert file.read() == b"an R condition"


def test_an_end_task_that_failed_is_no_end_task(session):
    made = RunMaker(session.store)
    made.task("end", ok=False)
    made.finish("failed")
    assert session.run("F/1")["end_task"] is None


# -- logs


def test_a_log_is_read_on_from_where_it_ended(session):
    made = RunMaker(session.store)
    made.task("start", stdout=b"0123456789")
    first = session.log("F/1/start/1", max_bytes=4)
    assert (first["text"], first["next_offset"], first["size"], first["finished"]) == ("0123", 4, 10, True)
    assert session.log("F/1/start/1", offset=4)["text"] == "456789"
    assert session.log("F/1/start/1", offset=10)["text"] == session.log("F/1/start/1", "stderr")["text"] == ""


@pytest.mark.parametrize("text", ["größe", "数据数据", "a😀b😀", "é", "plain"])
@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_a_log_read_in_pieces_is_the_whole_text(session, text, step):
    RunMaker(session.store).task("start", stdout=text.encode())
    offset, pieces = 0, []
    while True:
        answer = session.log("F/1/start/1", offset=offset, max_bytes=max(step, 4))
        pieces.append(answer["text"])
        if answer["next_offset"] == answer["size"]:
            break
        assert answer["next_offset"] > offset
        offset = answer["next_offset"]
    assert "".join(pieces) == text


def test_pieces_smaller_than_a_character_still_come_to_an_end(session):
    RunMaker(session.store).task("start", stdout="数".encode())
    offset = 0
    while offset < 3:
        offset = session.log("F/1/start/1", offset=offset, max_bytes=1)["next_offset"]


def test_a_character_that_is_half_written_waits_for_its_rest(session):
    made = RunMaker(session.store)
    made.started("start", stdout="ab数".encode()[:-1])
    answer = session.log("F/1/start/1")
    assert (answer["text"], answer["next_offset"], answer["finished"]) == ("ab", 2, False)
    made.task("start", task="1", stdout="ab数".encode())
    assert session.log("F/1/start/1", offset=2)["text"] == "数"


def test_bytes_that_are_no_text(session):
    RunMaker(session.store).task("start", stdout=b"a\xff\x00b\xe6")
    assert session.log("F/1/start/1")["text"] == "a\ufffd\ufffdb\ufffd"


def test_lines_know_where_they_come_from(session, branch):
    lines = session.loglines("F/1")
    assert [(line["step"], line["task"], line["stream"], line["line"]) for line in lines] == [
        ("start", "1", "stdout", "hello"),
        ("start", "1", "stdout", "from start"),
        ("b", "3", "stderr", "careful"),
    ]
    assert session.loglines("F/1/b") == session.loglines("F/1/b/3") == lines[2:]
    assert session.loglines("F/1", ["stdout"]) == lines[:2]
    assert session.loglines("F/1/a") == []


def test_lines_of_windows_and_lines_that_do_not_end(session):
    RunMaker(session.store).task("start", stdout=b"one\r\n\r\ntwo\n\nlast")
    assert [line["line"] for line in session.loglines("F/1")] == ["one", "", "two", "", "last"]


def test_an_unknown_stream(session, branch):
    for call in (lambda: session.log("F/1/a/2", "stdot"), lambda: session.loglines("F/1", ["stdot"])):
        with pytest.raises(UnknownOption) as caught:
            call()
        assert "'stdout'" in caught.value.hint


def test_a_clone_shows_the_logs_of_its_origin(session, branch):
    second = RunMaker(session.store, origin={"run": "1"})
    second.task("start", origin="F/1/start/1/0")
    third = RunMaker(session.store, origin={"run": "2"})
    third.task("start", origin="F/2/start/1/0")
    answer = session.log("F/3/start/1")
    assert (answer["text"], answer["origin"]) == ("hello\nfrom start\n", "F/1/start/1")
    assert (answer["pathspec"], answer["attempt"]) == ("F/3/start/1", 0)
    assert session.log("F/1/start/1")["origin"] is None
    assert [line["line"] for line in session.loglines("F/3")] == ["hello", "from start"]
    assert session.task("F/3/start/1")["status"] == "cloned"
    assert session.task("F/3/start/1")["origin"] == "F/2/start/1/0"


def test_the_log_of_a_clone_whose_origin_was_deleted(session, branch):
    RunMaker(session.store).task("start", origin="F/1/start/1/0")
    session.store.storage.delete_tree("flows/F/1")
    assert session.log("F/2/start/1")["text"] == ""


def test_the_log_of_the_attempt_that_runs_now(session):
    made = RunMaker(session.store)
    made.task("start", task="1", ok=False, stdout=b"first")
    made.started("start", task="1", attempt=1, stdout=b"second")
    assert session.log("F/1/start/1")["text"] == "second"
    assert session.log("F/1/start/1", attempt=0)["text"] == "first"
    assert [line["line"] for line in session.loglines("F/1/start/1")] == ["second"]
    assert [(line["line"], line["attempt"]) for line in session.loglines("F/1/start/1", attempt=0)] == [("first", 0)]


def test_the_spec_used_here_is_the_branch_flow():
    assert [step["name"] for step in BRANCH] == ["start", "a", "b", "join", "end"]


def test_the_log_of_a_run_one_of_whose_tasks_is_just_beginning(session, branch, tmp_path):
    (tmp_path / "root" / "flows" / "F" / "1" / "start" / "99").mkdir(parents=True)
    assert "99" not in {line["task"] for line in session.loglines("F/1")}
