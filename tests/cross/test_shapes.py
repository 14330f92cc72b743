"""Every graph shape with every case, through real `Rscript`; what they left is read by the Python core.

The R side (flow.R, cases/) checks what a step sees, this side what is in the datastore. Two runs go on at a time.
"""

from __future__ import annotations

import itertools
import json
import math
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from metaflow_core.graph.flow import FlowSpec
from metaflow_core.graph.topology import topology
from rflow import HERE, RFlow

SHAPES = {shape["name"]: shape for shape in json.loads((HERE / "shapes.json").read_text(encoding="utf-8"))}
PARAMETERS = [
    "--number",
    "3",
    "--ratio=0.5",
    "--text",
    "hello -- world_v1.csv",
    "--chosen",
    "--words",
    "a,b",
    "--setting",
    '{"a": [1, 2], "b": null}',
    "--user",
    "bob",
]


class Shape:
    """A graph shape, and what is known of its tasks before any of them ran."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.data = SHAPES[name]
        self.steps = {step["name"]: step for step in self.data["steps"]}
        self.topology = topology(FlowSpec.from_dict({"name": "CrossFlow", "steps": self.data["steps"]}))

    def size(self, foreach: str) -> int:
        return len(self.data["splits"][foreach]["values"])

    def positions(self, step: str) -> list[str]:
        sizes = [range(self.size(foreach)) for foreach in self.topology[step].foreaches]
        return [step + "".join(f"[{index}]" for index in indices) for indices in itertools.product(*sizes)]

    @property
    def all_positions(self) -> set[str]:
        return {position for step in self.steps for position in self.positions(step)}

    @property
    def steps_by_depth(self) -> list[str]:
        """Steps that have tasks, in the order in which a single worker comes to them."""
        depth = {"start": 0}
        for step in self.topology.order[1:]:
            depth[step] = 1 + max(depth[source] for source in self.topology[step].in_steps)
        return sorted((step for step in self.topology.order if self.positions(step)), key=depth.__getitem__)


def step_of(position: str) -> str:
    return position.partition("[")[0]


# -- performing


def perform(shape: Shape, case: str, folder) -> RFlow:
    files = {"flow.R": HERE / "flow.R", "shapes.json": HERE / "shapes.json"}
    files[f"cases/{case}.R"] = HERE / "cases" / f"{case}.R"
    flow = RFlow(folder, files, CROSS_SHAPE=shape.name, CROSS_CASE=case)
    if case == "resume":
        perform_resumes(shape, flow)
    else:
        flow.command("run", *(PARAMETERS if case == "parameters" else [])).expect(0)
    return flow


def perform_resumes(shape: Shape, flow: RFlow) -> None:
    """An undisturbed run, one that fails in its first step, and resumes each of which fails one step later."""
    flow.command("run", "--seed", "7").expect(0)
    command = ["run", "--seed", "7"]
    for step in shape.steps_by_depth:
        flow.command(*command, "--max-workers", "1", CROSS_FAIL=step).expect(1)
        command = ["resume"]
    flow.command("resume").expect(0)


@pytest.fixture(scope="session")
def performed(request, tmp_path_factory):
    """{(shape, case): future of its flow} for all that were selected."""
    wanted = [
        item.callspec.params for item in request.session.items if "performed" in getattr(item, "fixturenames", ())
    ]
    pool = ThreadPoolExecutor(max_workers=2)
    futures = {}
    for params in wanted:
        key = params["shape"], params["case"]
        folder = tmp_path_factory.mktemp("-".join(key)) / "flow"
        futures[key] = pool.submit(perform, Shape(key[0]), key[1], folder)
    yield futures
    pool.shutdown(wait=True, cancel_futures=True)


# -- what holds for every run


def check_run(shape, flow, run):
    status, records = flow.status(run), flow.records(run)
    assert (status["status"], status["error"], status["tasks"]["failed"]) == ("completed", None, 0)
    assert set(records) == shape.all_positions
    assert sorted(int(record["task"]) for record in records.values()) == list(range(1, len(records) + 1))
    place_of = {f"{record['step']}/{record['task']}": position for position, record in records.items()}
    for position, record in records.items():
        parents = [place_of[key] for key in record["parents"]]
        assert parents == expected_parents(shape, position), position
        indices = [int(index) for index in position.replace("]", "").split("[")[1:]]
        assert [frame["index"] for frame in record["stack"]] == indices
        assert [frame["count"] for frame in record["stack"]] == [shape.size(frame["step"]) for frame in record["stack"]]
    index = flow.store().index
    assert {row["position"] for row in index.tasks("CrossFlow", run)} == set(records)


def expected_parents(shape, position):
    step = step_of(position)
    indices = position[len(step) :]
    closes = shape.topology[step].closes
    if closes is None:
        sources = shape.topology[step].in_steps
        opened = any(shape.steps[source]["foreach"] for source in sources)
        return [source + (indices.rpartition("[")[0] if opened else indices) for source in sources]
    if shape.steps[closes]["foreach"]:
        (source,) = shape.topology[step].in_steps
        return [f"{source}{indices}[{index}]" for index in range(shape.size(closes))]
    return [source + indices for source in shape.topology[step].in_steps]


# -- the cases


def check_pass_through(shape, flow, run):
    artifacts = flow.artifacts(run)
    names = set(artifacts["start"]) - {split["var"] for split in shape.data["splits"].values()}
    assert len(names) == 16
    for name in names:
        assert len({found[name]["digest"] for found in artifacts.values()}) == 1, name
    table = artifacts["end"]["table"]
    assert (table["class"], table["dim"], table["length"]) == (["data.frame"], [2, 3], 3)


def check_merge(shape, flow, run):
    records, artifacts = flow.records(run), flow.artifacts(run)
    # Taken over by reference: not a byte of it was read or written again.
    again = [step for step in shape.steps if shape.steps[step]["join"] and not expected_parents(shape, step)]
    places = {json.dumps(found["common"], sort_keys=True) for found in artifacts.values()}
    assert len(places) == 1 + len(again)
    clashes = Counter(found["clash"]["digest"] for found in artifacts.values())
    assert set(clashes.values()) == {1}
    place_of = {f"{record['step']}/{record['task']}": position for position, record in records.items()}
    for position, record in records.items():
        before = {name for key in record["parents"] for name in artifacts[place_of[key]] if name.startswith("from_")}
        assert {n for n in artifacts[position] if n.startswith("from_")} == before | {f"from_{record['step']}"}


def check_parameters(shape, flow, run):
    parameters = flow.store().runs.read_run("CrossFlow", run)["parameters"]
    assert set(parameters) == {"number", "ratio", "text", "chosen", "left", "words", "setting", "user"}
    assert parameters["text"]["repr"] == '"hello -- world_v1.csv"'
    assert (parameters["number"]["class"], parameters["ratio"]["class"]) == (["integer"], ["numeric"])


def check_foreach_stack(shape, flow, run):
    for position, record in flow.records(run).items():
        splits = record.get("splits")
        if shape.steps[record["step"]]["foreach"]:
            assert splits["count"] == shape.size(record["step"])
            assert len(splits.get("sizes", [])) == splits["count"]
            assert splits.get("labels", []) == shape.data["splits"][record["step"]]["values"]
        else:
            assert splits is None
        if record["stack"]:
            frame = record["stack"][-1]
            assert frame["label"] == shape.data["splits"][frame["step"]]["values"][frame["index"]], position


def check_catch(shape, flow, run):
    ran = Counter(flow.notes())
    for position, record in flow.records(run).items():
        step = shape.steps[record["step"]]
        if step["foreach"]:
            assert (record["caught"], record["error"], record["attempt"]) == (None, None, 0)
            continue
        assert record["caught"] == "problem"
        assert ran[position] == 1
        if step["join"]:
            assert (record["error"]["cause"], record["attempt"]) == ("crash", 1)
        else:
            assert (record["error"]["cause"], record["attempt"]) == ("error", 0)
            assert record["error"]["message"] == f"on purpose in {record['step']}"


def check_retry(shape, flow, run):
    attempts = {}
    for record in flow.attempts(run):
        attempts.setdefault(record["position"], []).append(record)
    for position, records in attempts.items():
        assert [(record["attempt"], record["ok"]) for record in records] == [(0, False), (1, True)], position
        assert records[0]["seed"] == records[1]["seed"]
        cause = "crash" if shape.steps[step_of(position)]["join"] else "error"
        assert records[0]["error"]["cause"] == cause
    assert Counter(flow.notes()) == dict.fromkeys(shape.all_positions, 2)
    assert all("leftover" not in found for found in flow.artifacts(run).values())


def check_resume(shape, flow, run):
    steps = shape.steps_by_depth
    assert int(run) == len(steps) + 2
    whole = flow.digests("1")
    assert flow.digests(run) == whole
    for number, step in enumerate(steps, start=2):
        status, done = flow.status(number), set(flow.records(number))
        assert (status["status"], status["error"]["step"]) == ("failed", step)
        assert status["error"]["message"] == "on purpose"
        if number > 2:
            earlier = set(flow.records(number - 1))
            # Nothing that was done is lost, and all of it was taken over.
            assert earlier <= done
            assert {place for place, record in flow.records(number).items() if record["origin"]} == earlier
    # Each task ran once in the undisturbed run, and once in all the others together.
    assert Counter(flow.notes()) == dict.fromkeys(shape.all_positions, 2)
    assert flow.store().runs.read_run("CrossFlow", run)["origin"] == {"run": str(int(run) - 1)}
    assert math.isclose(flow.status(run)["tasks"]["cloned"], len(flow.records(int(run) - 1)))


# -- the tests

CHECKS = {
    "pass_through": check_pass_through,
    "merge": check_merge,
    "parameters": check_parameters,
    "foreach_stack": check_foreach_stack,
    "catch": check_catch,
    "retry": check_retry,
    "resume": check_resume,
}
# Larger shapes show the same, and more.
SLOW = {
    "resume": ["linear", "branch", "foreach_of_1"],
    "parameters": ["linear", "foreach", "foreach_of_1", "nested_branch", "foreach_in_branch", "branch_in_foreach"],
}


def combinations():
    for shape, case in itertools.product(SHAPES, CHECKS):
        slow = shape in SLOW.get(case, ())
        yield pytest.param(shape, case, id=f"{shape}-{case}", marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("shape", "case"), list(combinations()))
def test_case(performed, shape, case):
    flow = performed[shape, case].result(600)
    shape = Shape(shape)
    last = flow.runs()[-1]
    check_run(shape, flow, last)
    CHECKS[case](shape, flow, last)
    assert flow.leftovers() == []
    flow.wait_gone()
