import os

import pytest
from flows import SHAPES, decorator, flow, of_shape, step
from metaflow_core.engine import table
from metaflow_core.engine.commit import carried_records
from metaflow_core.errors import Corrupted
from scripted_backend import Engine, fail, succeed

CAUGHT = {
    "name": "caught",
    "spec": flow(step("start", "a"), step("a", "end", decorators=[decorator("catch", var="problem")]), step("end")),
}
SWITCH = {
    "name": "switch",
    "spec": flow(step("start", {"yes": "a", "no": "end"}), step("a", "end"), step("end")),
}


def behave(order):
    return fail(order) if order.get("catch") else succeed(order, choice="yes")


@pytest.fixture(params=[(64, 8), (1, 1)], ids=["flat tables", "deep tables"])
def layering(request, monkeypatch):
    monkeypatch.setattr(table, "FLAT", request.param[0])
    monkeypatch.setattr(table, "DEEP", request.param[1])
    monkeypatch.setattr("metaflow_core.engine.commit.FLAT", request.param[0])


@pytest.mark.parametrize("entry", [*SHAPES, CAUGHT, SWITCH], ids=lambda entry: entry["name"])
def test_an_adopted_task_is_recorded_as_if_its_scheduler_had_lived(tmp_path, monkeypatch, layering, entry):
    monkeypatch.setattr("metaflow_core.engine.start.process_start", lambda pid: "gone")
    spec = entry.get("spec") or of_shape(entry)
    whole = Engine(made(tmp_path / "whole"), spec.to_dict())
    whole.run(behave, slots=1)
    expected = whole.records("1")
    for number, position in enumerate(expected):
        engine = Engine(made(tmp_path / str(number)), spec.to_dict())
        run_until(engine, position)
        assert position not in engine.records("1")
        engine.resume(behave)
        adopted = engine.records("1")[position]
        assert adopted.pop("adopted") is True
        resolve = engine.open().tasks.resolve_artifacts
        assert resolve(adopted) == whole.open().tasks.resolve_artifacts(expected[position])
        whole_one = dict(expected[position])
        # The order of an attempt that failed died with the scheduler.
        assert ("order" in whole_one) == bool(whole_one["caught"])
        whole_one.pop("order", None)
        # How its artifacts are laid out over records is free; all else is the same.
        layout = ("artifacts", "inherits")
        assert {f: v for f, v in adopted.items() if f not in layout} == {
            f: v for f, v in whole_one.items() if f not in layout
        }


def made(folder):
    os.makedirs(folder)
    return folder / "store"


def run_until(engine, position):
    """The scheduler is killed as soon as this task runs; the task ends."""
    loop, backend = engine.begin(behave, slots=1)
    while position not in [order["position"] for order in backend.running.values()]:
        loop._launch()
        if position in [order["position"] for order in backend.running.values()]:
            break
        loop.advance(0)
    order = next(iter(backend.running.values()))
    with open(os.path.join(order["dir"], "stdout.log"), "w") as file:
        file.write("")
    assert backend.finish_orphans() == 1


def test_what_a_join_took_over_is_found_in_its_inputs():
    one, two = {"x": {"digest": "1", "size": 1}}, {"x": {"digest": "2", "size": 2}, "y": {"digest": "3", "size": 3}}
    assert carried_records({"x": "b 0 2 2", "y": "b 0 3 3"}, [one, two]) == {"x": two["x"], "y": two["y"]}
    assert carried_records(None, [one]) == {}


def test_a_join_that_took_over_what_no_input_has_is_refused():
    with pytest.raises(Corrupted, match="'x'"):
        carried_records({"x": "b 0 1 9"}, [{"x": {"digest": "1", "size": 1}}])
