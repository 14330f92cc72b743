"""Every graph shape with every case, through real `Rscript`; what they left is read by the Python core.

The R side (flow.R, cases/) checks what a step sees, this side what is in the datastore. Two runs go on at a time.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from metaflow_core.graph.flow import FlowSpec
from metaflow_core.graph.topology import topology
from rflow import HERE, RFlow

#: The place of a task in the foreaches around it, outermost first.
Indices = tuple[int, ...]
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

    def places(self, step: str) -> list[Indices]:
        sizes = [range(self.size(foreach)) for foreach in self.topology[step].foreaches]
        return [indices for indices in itertools.product(*sizes) if self.reaches(step, indices)]

    def positions(self, step: str) -> list[str]:
        return [position(step, place, turn) for place in self.places(step) for turn in range(self.turns(step, place))]

    @property
    def all_positions(self) -> set[str]:
        return {position for step in self.steps for position in self.positions(step)}

    def reaches(self, step: str, place: Indices) -> bool:
        """Does a flow come to the step in this place? Only a switch leads somewhere else."""
        if step == "start":
            return True
        sources = [(source, at) for source in self.topology[step].in_steps for at in self.places_before(source, place)]
        return not sources or any(self.leads(source, at, step) for source, at in sources)

    def places_before(self, source: str, place: Indices) -> list[Indices]:
        """Where `source` runs for a step that follows it and runs in `place`."""
        depth = len(self.topology[source].foreaches)
        if depth <= len(place):
            return [place[:depth]]
        return [(*place, index) for index in range(self.size(self.topology[source].foreaches[-1]))]

    def leads(self, source: str, place: Indices, step: str) -> bool:
        return self.reaches(source, place) and self.ways(source, place)[-1] in (step, None)

    def ways(self, step: str, place: Indices) -> list[str | None]:
        """Where each turn of a step goes; None, everywhere. Its cases are numbers, see decide() in flow.R."""
        switch = self.steps[step].get("switch")
        if switch is None:
            return [None]
        cases = list(switch["cases"].values())
        taken = cases[min(place[-1] if place else 0, len(cases) - 1) :]
        return taken if step in cases else taken[:1]

    def turns(self, step: str, place: Indices) -> int:
        return len(self.ways(step, place))

    def parents(self, step: str, place: Indices, turn: int) -> list[str]:
        """The positions that a task follows, in the order of its inputs."""
        if turn:
            return [position(step, place, turn - 1)]
        found = [
            position(source, at, self.turns(source, at) - 1)
            for source in self.topology[step].in_steps
            for at in self.places_before(source, place)
            if self.leads(source, at, step)
        ]
        closes = self.topology[step].closes
        # Ways that come together in the join of a foreach: in the order of the values.
        by_value = closes is not None and self.steps[closes]["foreach"]
        return sorted(found, key=lambda parent: indices_of(parent)) if by_value else found

    @property
    def all_parents(self) -> dict[str, list[str]]:
        return {
            position(step, place, turn): self.parents(step, place, turn)
            for step in self.steps
            for place in self.places(step)
            for turn in range(self.turns(step, place))
        }

    def dependents(self, step: str) -> set[str]:
        """The positions of a step and of all that follow from them."""
        found, parents = set(self.positions(step)), self.all_parents
        while True:
            more = {place for place, before in parents.items() if found & set(before)} - found
            if not more:
                return found
            found |= more

    @property
    def steps_by_depth(self) -> list[str]:
        """Steps that have tasks, in the order in which a single worker comes to them."""
        depth = {"start": 0}
        for step in self.topology.order[1:]:
            depth[step] = 1 + max(depth[source] for source in self.topology[step].in_steps)
        return sorted((step for step in self.topology.order if self.positions(step)), key=depth.__getitem__)

    @property
    def steps_to_the_last(self) -> list[str]:
        """Those of them that the last split of every foreach comes to."""
        last = [self.size(foreach) - 1 for foreach in self.topology.steps if foreach in self.data["splits"]]
        return [step for step in self.steps_by_depth if tuple(last[: self.depth(step)]) in self.places(step)]

    def depth(self, step: str) -> int:
        return len(self.topology[step].foreaches)


def position(step: str, place: Indices, turn: int = 0) -> str:
    return step + "".join(f"[{index}]" for index in place) + (f"#{turn}" if turn else "")


def step_of(position: str) -> str:
    return re.split(r"[\[#]", position)[0]


def indices_of(position: str) -> list[int]:
    return [int(index) for index in re.findall(r"\[(\d+)\]", position)]


# -- performing


def perform(shape: Shape, case: str, folder) -> RFlow:
    files = {"flow.R": HERE / "flow.R", "shapes.json": HERE / "shapes.json"}
    files[f"cases/{case}.R"] = HERE / "cases" / f"{case}.R"
    flow = RFlow(folder, files, CROSS_SHAPE=shape.name, CROSS_CASE=case)
    if case == "resume":
        perform_resumes(shape, flow)
    elif case == "memory":
        perform_memory(shape, flow)
    else:
        flow.command("run", *(PARAMETERS if case == "parameters" else [])).expect(0)
    if case == "partial":
        flow.command("resume", CROSS_MEND="1").expect(0)
    return flow


def perform_resumes(shape: Shape, flow: RFlow) -> None:
    """An undisturbed run, one that fails in its first step, and resumes each of which fails one step later."""
    flow.command("run", "--seed", "7").expect(0)
    command = ["run", "--seed", "7"]
    for step in shape.steps_to_the_last:
        flow.command(*command, "--max-workers", "1", CROSS_FAIL=step).expect(1)
        command = ["resume"]
    flow.command("resume").expect(0)


def changes(shape: Shape) -> list[tuple[str, str]]:
    """The changes that the runs of the memory case make: each step leaves something else, and one does the same."""
    return [(step, "values") for step in shape.steps_by_depth] + [(shape.steps_by_depth[-2], "code")]


def perform_memory(shape: Shape, flow: RFlow) -> None:
    """A run, the same again, one for each of the changes, and the same as at first."""
    ran = []
    for step, how in [("", ""), ("", ""), *changes(shape), ("", "")]:
        before = len(flow.notes())
        flow.command("run", CROSS_CHANGE=step, CROSS_HOW=how).expect(0)
        ran.append(flow.notes()[before:])
    (flow.folder / "ran.json").write_text(json.dumps(ran), encoding="utf-8")


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
    expected = shape.all_parents
    for position, record in records.items():
        assert [place_of[key] for key in record["parents"]] == expected[position], position
        assert [frame["index"] for frame in record["stack"]] == indices_of(position)
        assert [frame["count"] for frame in record["stack"]] == [shape.size(frame["step"]) for frame in record["stack"]]
    index = flow.store().index
    assert {row["position"] for row in index.tasks("CrossFlow", run)} == set(records)


# -- the cases


def check_pass_through(shape, flow, run):
    artifacts = flow.artifacts(run)
    names = set(artifacts["start"]) - {split["var"] for split in shape.data["splits"].values()} - decided(shape)
    assert len(names) == 16
    for name in names:
        assert len({found[name]["digest"] for found in artifacts.values()}) == 1, name
    table = artifacts["end"]["table"]
    assert (table["class"], table["dim"], table["length"]) == (["data.frame"], [2, 3], 3)


def decided(shape):
    return {step["switch"]["condition"] for step in shape.steps.values() if step.get("switch")}


def check_merge(shape, flow, run):
    records, artifacts = flow.records(run), flow.artifacts(run)
    # Taken over by reference: not a byte of it was read or written again.
    again = [step for step in shape.steps if shape.steps[step]["join"] and not shape.all_parents.get(step, [step])]
    places = {json.dumps(found["common"], sort_keys=True) for found in artifacts.values()}
    assert len(places) == 1 + len(again)
    clashes = Counter(found["clash"]["digest"] for found in artifacts.values())
    assert Counter(clashes.values()) == Counter(told(shape, 1).values())
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
        if step["foreach"] or step.get("switch"):
            assert (record["caught"], record["error"], record["attempt"]) == (None, None, 0)
            continue
        assert record["caught"] == "problem"
        assert ran[position] == 1, position
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
    assert Counter(flow.notes()) == told(shape, 2)
    # The second attempt has the numbers of the first.
    assert Counter(Counter(flow.notes("numbers.log")).values()) == {2: len(shape.all_positions)}
    watched = Counter(line.split(" ", 1)[1] for line in flow.notes("watched.log"))
    done, died = len(attempts), sum(shape.steps[step_of(position)]["join"] for position in attempts)
    assert watched == {"0 before": done, "0 error": done - died, "1 before": done, "1 after": done}
    assert all("leftover" not in found for found in flow.artifacts(run).values())


def check_resume(shape, flow, run):
    steps = shape.steps_to_the_last
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
    assert Counter(flow.notes()) == told(shape, 2)
    assert flow.store().runs.read_run("CrossFlow", run)["origin"] == {"run": str(int(run) - 1)}
    assert math.isclose(flow.status(run)["tasks"]["cloned"], len(flow.records(int(run) - 1)))


def check_partial(shape, flow, run):
    assert (run, flow.status("1")["status"], flow.status("1")["error"]) == ("2", "completed", None)
    first, second = flow.records("1"), flow.records(run)
    failed = {record["position"] for record in flow.attempts("1") if not record["ok"]}
    inner = [step for step in shape.steps if shape.topology[step].foreaches and shape.positions(step)]
    assert bool(failed) == bool(inner)
    assert flow.status("1")["tasks"]["failed"] == len(failed)
    assert all(int(place.rpartition("[")[2].rstrip("]")) == len(second_of(shape, place)) - 1 for place in failed)
    # Resume did the splits that had failed, what comes after them, and nothing else.
    cloned = {place for place, record in second.items() if record["origin"]}
    assert failed <= set(second) - cloned
    assert cloned <= set(first)
    assert "start" in cloned
    assert Counter(flow.notes()) == Counter(map(said, [*first, *(set(second) - cloned)]))


def check_language(shape, flow, run):
    record = flow.store().runs.read_run("CrossFlow", run)
    value = {"deep": {"memory": 64}, "word": "hi"}
    assert record["configs"]["settings"]["value"] == value
    assert record["parameters"]["table"]["digest"] == record["parameters"]["text"]["digest"]
    assert {step["name"] for step in record["spec"]["steps"]} == set(shape.steps)
    for step in record["spec"]["steps"]:
        assert [one["args"] for one in step["decorators"]] == [{"mark": "m64"}, {"DEEP": "64"}, {"memory": 64}]
    artifacts = flow.artifacts(run)
    assert all({"seen", "left", "random"} <= set(found) for found in artifacts.values())
    # Different numbers in every task.
    assert len({found["random"]["digest"] for found in artifacts.values()}) == len(artifacts)
    assert Counter(flow.notes()) == told(shape, 1)
    assert [note.strip() for note in flow.notes("hook.log")] == ["hook of CrossFlow/1 completed"]


def check_memory(shape, flow, run):
    expected = [shape.all_positions, set()]
    for step, how in changes(shape):
        expected.append(shape.dependents(step) if how == "values" else set(shape.positions(step)))
    ran = json.loads((flow.folder / "ran.json").read_text(encoding="utf-8"))
    whole = flow.digests("1")
    for number, (places, noted) in enumerate(zip([*expected, set()], ran), start=1):
        assert Counter(noted) == Counter(map(said, places)), number
        records, digests = flow.records(number), flow.digests(number)
        assert {place for place, record in records.items() if not record["origin"]} == places
        # What was taken over is what it was, and what depends on a change is not.
        same = {place for place in whole if digests[place]["history"] == whole[place]["history"]}
        assert same == set(whole) - (places if 2 < number < len(expected) else set()), number
    assert flow.status(run)["tasks"]["cloned"] == len(whole)


def said(position):
    """What a task calls itself: it does not know its turn."""
    return position.partition("#")[0]


def told(shape, times):
    return Counter(said(position) for position in shape.all_positions for _ in range(times))


def second_of(shape, position):
    """The splits of the innermost foreach around a position."""
    return shape.data["splits"][shape.topology[step_of(position)].foreaches[-1]]["values"]


# -- the tests

CHECKS = {
    "pass_through": check_pass_through,
    "merge": check_merge,
    "parameters": check_parameters,
    "foreach_stack": check_foreach_stack,
    "catch": check_catch,
    "retry": check_retry,
    "resume": check_resume,
    "partial": check_partial,
    "language": check_language,
    "memory": check_memory,
}
# In the default run each case has the shapes that are hardest for it, and each shape some cases; the others are slow.
FAST = {
    "pass_through": ["foreach_of_0", "nested_foreach", "branch_in_foreach", "switch", "recursion_in_foreach"],
    "merge": ["nested_branch", "foreach_of_0", "foreach_in_branch", "branch_in_foreach", "switch_in_branch"],
    "parameters": ["single", "branch", "nested_foreach"],
    "foreach_stack": [
        "foreach_of_1",
        "nested_foreach",
        "branch_in_foreach",
        "switch_in_foreach",
        "recursion_in_foreach",
    ],
    "catch": ["linear", "nested_branch", "foreach", "switch", "recursion"],
    "retry": ["branch", "foreach", "recursion"],
    "resume": ["foreach", "switch_in_branch", "recursion_in_foreach"],
    "partial": ["foreach_of_1", "nested_foreach", "switch_in_foreach"],
    "language": ["foreach_of_0", "branch_in_foreach", "recursion"],
    "memory": ["foreach_of_0", "switch_in_foreach", "recursion"],
}


def combinations():
    for shape, case in itertools.product(SHAPES, CHECKS):
        fast = shape in FAST[case]
        yield pytest.param(shape, case, id=f"{shape}-{case}", marks=[] if fast else [pytest.mark.slow])


@pytest.mark.parametrize(("shape", "case"), list(combinations()))
def test_case(performed, shape, case):
    flow = performed[shape, case].result(600)
    shape = Shape(shape)
    last = flow.runs()[-1]
    check_run(shape, flow, last)
    CHECKS[case](shape, flow, last)
    assert flow.leftovers() == []
    flow.wait_gone()
