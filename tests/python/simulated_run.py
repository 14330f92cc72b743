"""Runs a plan without processes: a made-up world says what steps compute, an adversary what goes wrong and when.

The records that a simulated run leaves are made by the engine's own functions, so `OriginRun` resumes it like a real
one. Rules that hold at every moment of every run are asserted here, while it happens.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace

from metaflow_core.contracts.decorator import StepPolicy
from metaflow_core.engine.commit import attempt_record, clone_record
from metaflow_core.engine.outcome import splits_from_record
from metaflow_core.engine.plan import make_plan
from metaflow_core.engine.resume import OriginRun
from metaflow_core.engine.states import Failure, Outcome, Scheduler
from metaflow_core.graph.flow import FlowSpec

FLOW = "TestFlow"


def plan_of(spec: FlowSpec, **policies: StepPolicy):
    """The plan of a flow; `policies` by step name, `others` for all that are not named."""
    others = policies.pop("others", StepPolicy())
    return make_plan(spec, {step.name: policies.get(step.name, others) for step in spec.steps})


def digest(*parts) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class World:
    """What the steps compute: pure functions of a task's position and of everything it can see.

    So two runs agree about an artifact only if they agree about all work before it. `count` and `turns` fix the
    number of splits and of turns of a recursion, and a switch then takes the same way for all tasks of a step; None
    lets them differ from task to task.
    """

    seed: int = 0
    most_splits: int = 3
    most_turns: int = 3
    count: int | None = None
    turns: int | None = None

    def number(self, *parts) -> int:
        return int(digest(self.seed, *parts), 16)

    def result(self, plan, task) -> dict:
        """What the worker of `task` would leave: artifacts, splits in the form a record keeps, the switch's case."""
        step = plan.steps[task.step]
        seen = digest(self.seed, task.position, visible(task))
        artifacts = {"latest": {"digest": seen, "size": 1}, f"of_{task.step}": {"digest": digest(seen), "size": 1}}
        if step.join:
            artifacts.update(agreeing(task.parents, artifacts))
        result = {"artifacts": artifacts, "splits": None, "choice": None}
        if step.foreach is not None:
            count = self.number(task.position) % (self.most_splits + 1) if self.count is None else self.count
            result["splits"] = {"count": count}
            if count:
                result["splits"].update(blob=digest(seen, "splits"), sizes=[1 + index for index in range(count)])
        if step.condition is not None:
            result["choice"] = self.choose(step, task)
        return result

    def choose(self, step, task) -> str:
        place, _, turn = task.position.partition("#")
        chosen = self.number(place if self.turns is None else step.name)
        turns = chosen % (self.most_turns + 1) if self.turns is None else self.turns
        again = [case for case, to in step.cases.items() if to == step.name]
        others = [case for case, to in step.cases.items() if to != step.name]
        return again[0] if again and int(turn or 0) < turns else others[chosen % len(others)]


def visible(task) -> list:
    """Everything a task can read, as plain data: its inputs in order, and the values of the foreaches around it."""
    inputs = [
        "failed"
        if parent.failure
        else sorted((name, record["digest"]) for name, record in parent.table.flat().items())
        for parent in task.parents
    ]
    values = [(frame.index, frame.count, frame.value["blob"], frame.value["offset"]) for frame in task.stack]
    return [[parent.step for parent in task.parents], inputs, values]


def agreeing(parents, assigned) -> dict:
    """What merge_artifacts() takes over: names whose values do not conflict."""
    found: dict = {}
    for parent in (parent for parent in parents if not parent.failure):
        for name, record in parent.table.flat().items():
            found.setdefault(name, {})[record["digest"]] = record
    return {n: next(iter(r.values())) for n, r in found.items() if len(r) == 1 and n not in assigned}


@dataclass
class Adversary:
    """Decides the order of everything. `doomed`: the positions that fail, with the number of attempts that do."""

    random: Random
    doomed: dict = field(default_factory=dict)
    failing: float = 0.0
    killing: float = 0.0

    def fails(self, task) -> bool:
        if task.position in self.doomed:
            return task.attempt < self.doomed[task.position]
        return self.random.random() < self.failing

    def kills(self) -> bool:
        return self.random.random() < self.killing


class Calm(Adversary):
    """Nothing goes wrong, and everything in the order it came."""

    def __init__(self) -> None:
        super().__init__(Random(0))


class SimulatedRun:
    """One run from start to end. `origin` is the run it resumes, `redo` the step of `resume STEP`."""

    def __init__(self, plan, world, adversary=None, slots=2, origin=None, redo=None, number="1", max_num_splits=10_000):
        self.plan = plan
        self.world = world
        self.number = number
        self.adversary = adversary or Calm()
        self.slots = slots
        self.now = 0.0
        self.killed = False
        self.launched: list = []
        self.created: dict = {}
        self.records: list = []
        self.done: dict = {}
        self.failed_finally = False
        self._origin = None if origin is None else origin.as_origin(plan, redo)
        self.scheduler = Scheduler(plan, max_num_splits, self._find_origin)

    def run(self) -> SimulatedRun:
        self.scheduler.start()
        idle = 0
        while self.scheduler.status == "running" and not self.killed:
            before = self._progress()
            self._turn()
            idle = 0 if self._progress() != before else idle + 1
            assert idle < 200, f"the scheduler is stuck after {sorted(self.done)}"
        self._check_end()
        return self

    def as_origin(self, plan, redo=None) -> OriginRun:
        """What a resumed run of `plan` sees of this one."""
        batches = SimpleNamespace(is_complete=lambda flow, run: True)
        runs = SimpleNamespace(batches=batches, read_run=lambda flow, run: {"spec": self.spec()})
        tasks = SimpleNamespace(read_tasks=lambda flow, run: list(self.records))
        jobs = SimpleNamespace(names=lambda flow, run: [])
        work = SimpleNamespace(apart=False, attempts=lambda *run: [], discard_run=lambda *run: None)
        store = SimpleNamespace(storage=None, runs=runs, tasks=tasks, jobs=jobs, work=work)
        return OriginRun(store, plan, self.number, redo)

    def spec(self) -> dict:
        """The flow as run.json has it, as far as a resume looks at it."""
        return {
            "steps": [
                {
                    "name": s.name,
                    "foreach": s.foreach,
                    "switch": None if s.condition is None else {"condition": s.condition},
                }
                for s in self.plan.steps.values()
            ]
        }

    @property
    def status(self) -> str:
        return "killed" if self.killed else self.scheduler.status

    def artifacts(self) -> dict:
        """{position: {name: digest}} of all tasks that are done."""
        return {place: {n: r["digest"] for n, r in task.table.flat().items()} for place, task in self.done.items()}

    def ran(self) -> set:
        return {place for place, _ in self.launched}

    # -- one turn of the loop

    def _progress(self) -> tuple:
        return len(self.launched), len(self.done), len(self.scheduler.running), self.now, self.scheduler.waiting()

    def _turn(self) -> None:
        random = self.adversary.random
        if self.adversary.kills():
            self.killed = True
            return
        if random.random() < 0.8:
            self._clone()
        while len(self.scheduler.running) < self.slots and random.random() < 0.9:
            task = self.scheduler.next_ready(self.now, lambda policy: True)
            if task is None:
                break
            self._launch(task)
        if self.scheduler.running:
            self._end(random.choice(list(self.scheduler.running.values())))
        elif self.scheduler.next_wake() is not None:
            self.now = max(self.now, self.scheduler.next_wake())

    def _find_origin(self, task):
        assert task.position not in self.created, f"{task.position} twice"
        self.created[task.position] = task
        assert all(p.position in self.done or p.failure for p in task.parents), f"{task} before its parents were done"
        assert not self._inside_lost(task), f"{task} in a split that had failed"
        return self._origin.find(task) if self._origin else None

    def _clone(self) -> None:
        item = self.scheduler.next_clone()
        if item is None:
            return
        task, outcome = item
        assert task.position not in self.ran()
        record = clone_record(FLOW, self.number, task, outcome.extra, 0.0)
        self._succeed(task, outcome, record)

    def _inside_lost(self, task) -> bool:
        """Is the task in a split which the join of its foreach has as a failure?"""
        for failed in self.scheduler.given_up:
            # The split that was lost is the innermost one around both whose foreach can spare one.
            for depth in range(len(failed.stack), 0, -1):
                frame = failed.stack[depth - 1]
                group = self.scheduler._lost.get((frame.step, tuple(f.index for f in failed.stack[: depth - 1])), ())
                if frame.index in group:
                    mine = [(f.step, f.index) for f in task.stack[:depth]]
                    if mine == [(f.step, f.index) for f in failed.stack[:depth]]:
                        return True
        return False

    def _launch(self, task) -> None:
        assert not self.failed_finally, f"{task} was launched after a failure"
        assert not self._inside_lost(task), f"{task} was launched in a split that had failed"
        assert not task.cloned
        assert (task.position, task.attempt) not in self.launched, f"{task} was launched twice"
        assert task.attempt == sum(place == task.position for place, _ in self.launched)
        self._check_inputs(task)
        self.launched.append((task.position, task.attempt))

    def _check_inputs(self, task) -> None:
        step = self.plan.steps[task.step]
        if not step.join:
            assert len(task.parents) == (0 if task.position == "start" else 1)
        elif self.plan.is_foreach(step.closes):
            depth = len(task.stack)
            assert [parent.stack[depth].index for parent in task.parents] == list(range(len(task.parents)))
            assert all(parent.stack[:depth] == task.stack for parent in task.parents)
            assert all(parent.stack[depth].count == len(task.parents) for parent in task.parents)
            assert all(len(parent.stack) == depth + 1 or parent.failure for parent in task.parents)
            failed = sum(parent.failure is not None for parent in task.parents)
            assert failed <= len(task.parents) * (1 - self.plan.steps[step.closes].min_success) + 1e-9
        else:
            known = self.plan.in_steps[task.step]
            order = [known.index(parent.step) for parent in task.parents]
            assert order == sorted(set(order))
            assert len(order) == len(self.plan.steps[step.closes].next)
            assert all(parent.stack == task.stack for parent in task.parents)

    def _end(self, task) -> None:
        if task.fallback is not None:
            self._succeed_with(
                task,
                {"artifacts": {"caught": {"digest": digest(task.fallback), "size": 1}}, "splits": None, "choice": None},
            )
        elif self.adversary.fails(task):
            again = self.scheduler.failed(task, Failure("crash", {"cause": "crash"}), self.now)
            stops = task.position in {t.position for t, _ in self.scheduler.failed_tasks}
            assert [again, stops, task.failure is not None].count(True) == 1
            self.failed_finally = self.failed_finally or stops
        else:
            self._succeed_with(task, self.world.result(self.plan, task))

    def _succeed_with(self, task, result) -> None:
        record = attempt_record(FLOW, self.number, task, {"condition": result["choice"]}, result, True)
        self._succeed(
            task, Outcome(result["artifacts"], splits_from_record(result["splits"]), result["choice"]), record
        )

    def _succeed(self, task, outcome, record) -> None:
        assert task.position not in self.done, f"{task.position} was done twice"
        self.done[task.position] = task
        self.scheduler.succeeded(task, outcome)
        record.update(artifacts=dict(task.table.own), inherits=task.table.inherits)
        self.records.append(record)

    def _check_end(self) -> None:
        scheduler = self.scheduler
        ids = [int(task.id) for task in self.created.values()]
        assert ids == list(range(1, len(ids) + 1))
        assert scheduler.done == len(self.done)
        assert scheduler.cloned == sum(task.cloned for task in self.done.values())
        if self.killed:
            return
        assert not scheduler.running
        if scheduler.status == "completed":
            missing = [task for place, task in self.created.items() if place not in self.done]
            assert all(task.failure or self._inside_lost(task) for task in missing)
            assert scheduler.done + scheduler.failed_count <= len(self.created)
            assert scheduler.waiting() == 0
            assert scheduler.end_task is self.done["end"]
            assert not scheduler.failed_tasks
        else:
            assert scheduler.status == "failed"
            assert scheduler.failed_tasks or scheduler.problem


def undisturbed(plan, world) -> SimulatedRun:
    run = SimulatedRun(plan, world).run()
    assert run.status == "completed"
    return run
