"""Lineage over runs that a scripted worker made: what each task used is said by the test."""

import pytest
from flows import flow, step
from metaflow_core.client import Session
from metaflow_core.errors import InvalidPathspec, NotFound
from scripted_backend import HANG, Engine, pack

FIT = flow(step("start", "fit", foreach="grid"), step("fit", "join"), step("join", "end", join=True), step("end"))
LINE = flow(step("start", "a"), step("a", "end"), step("end"))


class Made:
    """Runs of one flow. `made`: {step: (names that it assigns, notes of what it used, pathspecs read)}."""

    def __init__(self, root, spec, count=2):
        self.engine = Engine(root, spec.to_dict())
        self.count = count

    def run(self, made, **more):
        def behave(order):
            names, used, reads = (*made.get(order["step"], ()), (), (), ())[:3]
            values = {name: f"{name} of {order['position']}".encode() for name in names}
            result = {"ok": True, **pack(values), "carried": {}}
            if order.get("join"):
                result["carried"] = {name: ref for name, ref in order["inputs"]["base"].items() if name not in names}
            if "foreach" in order:
                result["foreach"] = {"count": self.count, "file": "splits", "sizes": [1] * self.count}
                result["files"]["splits"] = b"x" * self.count
            if used is not None:
                result["used"] = list(used)
            if reads:
                result["reads"] = list(reads)
            return HANG if names == HANG else result

        loop = self.engine.run(behave, **more)
        assert loop.status == "completed"
        return loop

    def lineage(self, pathspec, direction="both", depth=50):
        return Session(self.engine.settings, None, self.engine.open()).lineage(pathspec, direction, depth)


def tree(nodes):
    """{pathspec: the tree below it}, in short."""
    return {node["pathspec"]: tree(node["children"]) for node in nodes}


FITTED = {
    "start": (["grid", "data", "idle"],),
    "fit": (["score"], ["input", "self:data"]),
    "join": (["best"], ["inputs:score"]),
    "end": (["report"], ["self:best", "self:data"]),
}


def test_up_through_a_foreach_and_what_was_passed_on(tmp_path):
    made = Made(tmp_path / "store", FIT)
    made.run(FITTED)
    found = made.lineage("TestFlow/1/end/5/best", "up")
    assert found["root"]["pathspec"] == "TestFlow/1/join/4/best", "looked up where it was assigned"
    above = {"TestFlow/1/start/1/grid": {}, "TestFlow/1/start/1/data": {}}
    assert tree(found["up"]) == {"TestFlow/1/fit/2/score": above, "TestFlow/1/fit/3/score": above}
    assert found["down"] == []
    assert all(node["relation"] == "used" for node in found["up"])


def test_down_to_what_the_users_made(tmp_path):
    made = Made(tmp_path / "store", FIT)
    made.run(FITTED)
    down = made.lineage("TestFlow/1/start/1/data", "down")["down"]
    best = {"TestFlow/1/join/4/best": {"TestFlow/1/end/5/report": {}}}
    assert tree(down) == {
        "TestFlow/1/fit/2/score": best,
        "TestFlow/1/fit/3/score": {"TestFlow/1/join/4/best": {}},
        "TestFlow/1/end/5/report": {},
    }
    (again,) = (node for node in down if node["task"] == "TestFlow/1/fit/3")
    assert [node["seen"] for node in again["children"]] == [True], "it stands above with all that is below it"
    assert tree(made.lineage("TestFlow/1/start/1/idle")["down"]) == {}


def test_a_task_stands_for_all_that_it_assigned(tmp_path):
    made = Made(tmp_path / "store", FIT)
    made.run(FITTED)
    found = made.lineage("TestFlow/1/fit/3")
    assert found["root"]["pathspec"] == "TestFlow/1/fit/3"
    assert set(tree(found["up"])) == {"TestFlow/1/start/1/grid", "TestFlow/1/start/1/data"}
    assert set(tree(found["down"])) == {"TestFlow/1/join/4/best"}


def test_many_alike_are_counted(tmp_path):
    made = Made(tmp_path / "store", FIT, count=200)
    made.run(FITTED)
    up = made.lineage("TestFlow/1/join/202/best", "up")["up"]
    assert [node["pathspec"].split("/")[3] for node in up] == ["2", "3", "4"]
    assert [node["more"] for node in up] == [0, 0, 197]


def test_parameters_are_sources(tmp_path):
    made = Made(tmp_path / "store", LINE)
    staging = tmp_path / "staging"
    staging.mkdir()
    (staging / "parameters").write_bytes(b"0.1")
    values = {"alpha": {"file": "parameters", "offset": 0, "size": 3}}
    made.run({"start": (["x"], ["self:alpha"]), "a": (["y"], ["self:x"])}, values=values)
    (x,) = made.lineage("TestFlow/1/a/2/y")["up"]
    (alpha,) = x["children"]
    assert (alpha["pathspec"], alpha["task"], alpha["parameter"]) == ("TestFlow/1/alpha", None, True)
    assert set(tree(made.lineage("TestFlow/1/a/2/alpha")["down"])) == {"TestFlow/1/start/1/x"}


def test_a_value_that_was_assigned_anew_has_a_new_source(tmp_path):
    made = Made(tmp_path / "store", LINE)
    made.run({"start": (["x"],), "a": (["x", "y"], ["self:x"]), "end": (["z"], ["self:x"])})
    found = made.lineage("TestFlow/1/end/3/x")
    assert found["root"]["pathspec"] == "TestFlow/1/a/2/x"
    assert tree(found["up"]) == {"TestFlow/1/start/1/x": {}}
    assert tree(found["down"]) == {"TestFlow/1/end/3/z": {}}
    assert set(tree(made.lineage("TestFlow/1/start/1/x")["down"])) == {"TestFlow/1/a/2/x", "TestFlow/1/a/2/y"}


def test_a_task_that_does_not_say_what_it_used_may_have_used_everything(tmp_path):
    made = Made(tmp_path / "store", LINE)
    made.run({"start": (["x", "y"],), "a": (["z"], None)})
    assert set(tree(made.lineage("TestFlow/1/a/2/z")["up"])) == {"TestFlow/1/start/1/x", "TestFlow/1/start/1/y"}


# -- across runs and flows


def across(tmp_path):
    made = Made(tmp_path / "store", LINE)
    made.run({"start": (["raw"],), "a": (["clean"], ["self:raw"])})
    other = Made(tmp_path / "store", flow(step("start", "end"), step("end")))
    other.engine.spec["name"] = "OtherFlow"
    other.run({"start": (["model"], [], ["TestFlow/1/end/3/clean"])})
    return made, other


def test_through_the_client_to_another_flow_and_back(tmp_path):
    made, other = across(tmp_path)
    (clean,) = other.lineage("OtherFlow/1/end/2/model")["up"]
    assert (clean["pathspec"], clean["relation"]) == ("TestFlow/1/a/2/clean", "read through the client")
    assert tree(clean["children"]) == {"TestFlow/1/start/1/raw": {}}
    assert tree(made.lineage("TestFlow/1/start/1/raw")["down"]) == {
        "TestFlow/1/a/2/clean": {"OtherFlow/1/start/1/model": {}}
    }


def test_a_run_that_is_gone_is_said_to_be(tmp_path):
    made, other = across(tmp_path)
    made.engine.open().storage.delete_tree("flows/TestFlow/1")
    (clean,) = other.lineage("OtherFlow/1/end/2/model")["up"]
    assert (clean["pathspec"], clean["gone"]) == ("TestFlow/1/end/3/clean", True)


def test_a_reader_that_never_finished_has_read_nothing(tmp_path):
    made, other = across(tmp_path)
    other.engine.open().storage.delete_tree("flows/OtherFlow/1")
    assert tree(made.lineage("TestFlow/1/start/1/raw")["down"]) == {"TestFlow/1/a/2/clean": {}}


def test_a_task_that_was_taken_over_says_whose_it_was(tmp_path):
    made = Made(tmp_path / "store", LINE)
    made.run({"start": (["x"],), "a": (["y"], ["self:x"]), "end": (["z"], ["self:y"])})
    made.run({"end": (["z"], ["self:y"])}, resume={"run": "1", "step": "end"})
    (y,) = made.lineage("TestFlow/2/end/3/z")["up"]
    assert (y["pathspec"], y["origin"]) == ("TestFlow/2/a/2/y", "TestFlow/1/a/2/0")
    assert tree(y["children"]) == {"TestFlow/2/start/1/x": {}}


def test_what_is_not_there(tmp_path):
    made = Made(tmp_path / "store", LINE)
    made.run({"start": (["x"],)})
    with pytest.raises(NotFound, match="no artifact 'xx'") as caught:
        made.lineage("TestFlow/1/start/1/xx")
    assert "x" in caught.value.hint
    with pytest.raises(InvalidPathspec):
        made.lineage("TestFlow/1")


def test_no_deeper_than_asked(tmp_path):
    made = Made(tmp_path / "store", FIT)
    made.run(FITTED)
    assert all(node["children"] == [] for node in made.lineage("TestFlow/1/end/5/best", depth=1)["up"])
