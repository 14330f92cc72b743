"""The scheduler: a state machine that says what to do next. No files, no clock, no processes.

It is told what happened (`succeeded`, `failed`, the time as a number) and asked what to launch (`next_ready`). What a
task left behind reaches it as an `Outcome`; whether the outcome came from a process, from an earlier run or from a
test makes no difference.

    waiting -> ready -> running -> done
                 ^         |-> failed (attempts used up: the run stops launching, or goes on without this split)
                 `- delayed (between two attempts)
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .plan import Plan, PlannedStep
from .position import Frame, position_of
from .splits import Splits
from .table import ArtifactTable

__all__ = ["Failure", "Outcome", "Scheduler", "Splits", "Task", "attempts_allowed"]

LOST_NOT_COUNTED = 3


@dataclass(frozen=True)
class Outcome:
    """A task that is done: the artifacts it assigned or took over, its splits, the case its switch chose."""

    artifacts: Mapping[str, Any] = field(default_factory=dict)
    splits: Splits | None = None
    choice: str | None = None
    extra: Any = None


@dataclass(frozen=True)
class Failure:
    """An attempt that failed: its cause, and the error record that says more."""

    cause: str
    error: Any = None


class Task:
    """One task of a run. `parents` are the tasks whose artifacts it sees, in the order of a join's inputs; `after` are
    those whose end made it ready: the same, except that the join of a foreach over nothing comes after the split.
    `failure` is why a task failed without which the run goes on; such a task has no table."""

    __slots__ = (
        "id", "step", "position", "stack", "parents", "after", "attempt", "due", "fallback", "table", "cloned",
        "origin", "remembered", "kept", "failure", "lost",
    )

    def __init__(
        self, id: str, step: str, position: str, stack: tuple[Frame, ...], parents: tuple[Task, ...],
        after: tuple[Task, ...] | None = None,
    ) -> None:
        self.id = id
        self.step = step
        self.position = position
        self.stack = stack
        self.parents = parents
        self.after = parents if after is None else after
        self.attempt = 0
        self.due = 0.0
        self.fallback: Any = None
        self.table: ArtifactTable | None = None
        self.cloned = False
        self.origin: str | None = None
        # Cloned because it would do the same (memory.py), not because it has the same place in the run that is resumed.
        self.remembered = False
        # Done by this very run, before its scheduler was started again (continued.py).
        self.kept = False
        self.failure: Failure | None = None
        self.lost = 0

    @property
    def key(self) -> str:
        return f"{self.step}/{self.id}"

    @property
    def home(self) -> str:
        return f"{self.step}/{self.id}/{self.attempt}"

    def __repr__(self) -> str:
        return f"<Task {self.key} at {self.position}, attempt {self.attempt}>"


class _Gathering:
    """A join that waits for its inputs. `stack` is the join's own."""

    __slots__ = ("arrived", "expected", "stack")

    def __init__(self, stack: tuple[Frame, ...], expected: int) -> None:
        self.stack = stack
        self.expected = expected
        self.arrived: list[tuple[int, Task]] = []


class Scheduler:
    """Runs a plan. `find_origin(task)` may return an Outcome of an earlier run to be used instead of running. `only` is
    the position of the one task that is wanted: of the others those are used that `find_origin` has, none is run.
    `last_id` is the greatest id that tasks of the run have already."""

    def __init__(
        self,
        plan: Plan,
        max_num_splits: int = 10_000,
        find_origin: Callable[[Task], Outcome | None] | None = None,
        only: str | None = None,
        last_id: int = 0,
    ) -> None:
        self.plan = plan
        self.status = "running"
        self.problem: str | None = None
        self.running: dict[str, Task] = {}
        self.failed_tasks: list[tuple[Task, Failure]] = []
        self.given_up: list[Task] = []
        """Tasks that failed, and without which the run goes on (`on_error = "continue"`)."""
        self.done = 0
        self.cloned = 0
        self._max_num_splits = max_num_splits
        self._find_origin = find_origin
        self._only = only
        self._only_done = False
        self._ready: dict[str, deque[Task]] = {}
        self._delayed: list[tuple[float, int, Task]] = []
        self._gathering: dict[tuple[str, tuple[int, ...]], _Gathering] = {}
        self._turns: dict[str, int] = {}
        self._lost: dict[tuple[str, tuple[int, ...]], set[int]] = {}
        """For each foreach, by its step and the indices around it: the splits that failed."""
        self._to_clone: deque[tuple[Task, Outcome]] = deque()
        self._cloning: set[str] = set()  # of these the caller has been told, and not yet said that they are committed
        self._last_id = last_id
        self._stopping = False
        self.end_task: Task | None = None

    # -- asking

    def start(self) -> None:
        self._create("start", (), ())

    def next_clone(self) -> tuple[Task, Outcome] | None:
        """A task whose outcome an earlier run has; commit it, then call `succeeded`."""
        if not self._to_clone or self._stopping:
            return None
        item = self._to_clone.popleft()
        self._cloning.add(item[0].key)
        return item

    def next_ready(self, now: float, fits: Callable[[Any], bool]) -> Task | None:
        """The next task to launch whose policy `fits`; it counts as running from here on."""
        self._wake(now)
        if self._stopping:
            return None
        for tasks in self._ready.values():
            if tasks and fits(self.policy_of(tasks[0])):
                task = tasks.popleft()
                self.running[task.key] = task
                return task
        return None

    def policy_of(self, task: Task) -> Any:
        """The policy of the task's current attempt. What only notes down that a process died runs here."""
        policy = self.plan.steps[task.step].policy
        return policy.for_attempt(task.attempt) if task.fallback is None else policy.at_home()

    def next_wake(self) -> float | None:
        """When the next delayed attempt is due."""
        return self._delayed[0][0] if self._delayed and not self._stopping else None

    def waiting(self) -> int:
        """Tasks that are ready or delayed."""
        return sum(map(len, self._ready.values())) + len(self._delayed)

    @property
    def failed_count(self) -> int:
        return len(self.failed_tasks) + len(self.given_up)

    # -- telling

    def succeeded(self, task: Task, outcome: Outcome) -> None:
        self.running.pop(task.key, None)
        self._cloning.discard(task.key)
        task.table = self.table_of(task, outcome)
        self.done += 1
        self.cloned += task.cloned
        self._only_done = self._only_done or task.position == self._only
        if not self._is_lost(task):
            self._advance(task, outcome)
        self._settle()

    def failed(self, task: Task, failure: Failure, now: float) -> bool:
        """Returns True when the task will be tried again; `task.failure` is set when the run goes on without it."""
        self.running.pop(task.key, None)
        policy = self.plan.steps[task.step].policy
        if not self._stopping and task.fallback is None and not self._is_lost(task):
            lost = failure.cause == "lost" and task.lost < LOST_NOT_COUNTED
            task.lost += lost
            if lost or task.attempt + 1 < attempts_allowed(task, policy) and policy.retries(failure.cause):
                delay = 0.0 if lost else _delay(policy.delays_seconds, task.attempt - task.lost)
                self._retry(task, now + delay)
                return True
            if policy.catches:
                # The process died, so it could not store the error itself: one more attempt does just that.
                task.fallback = failure.error or {"cause": failure.cause}
                self._retry(task, now)
                return True
        if self._stopping or not self._give_up(task, failure):
            self.failed_tasks.append((task, failure))
            self._stopping = True
        self._settle()
        return False

    def interrupt(self) -> None:
        """Nothing more is launched; what runs was stopped by the caller. A run that has ended stays as it is."""
        if self.status == "running":
            self._stopping = True
            self.running.clear()
            self.status = "interrupted"

    def fail(self, problem: str) -> None:
        """The run cannot go on for a reason that no task has: not even its last task counts as done."""
        self.problem = self.problem or problem
        self._stopping = True
        if self.status == "completed":
            self.status = "failed"
        self._settle()

    # -- rules

    def table_of(self, task: Task, outcome: Outcome) -> ArtifactTable:
        """What the task will have with this outcome: it can be committed before `succeeded` is called."""
        base = ArtifactTable.empty() if self.plan.steps[task.step].join or not task.parents else task.parents[0].table
        return base.extended(outcome.artifacts, task.home)

    def _advance(self, task: Task, outcome: Outcome) -> None:
        step = self.plan.steps[task.step]
        if not step.next:
            self.end_task = task
        elif step.foreach is not None:
            self._split(task, step, outcome.splits or Splits(0))
        elif step.condition is not None:
            self._switch(task, step, outcome.choice)
        else:
            for name in step.next:
                self._arrive(name, task)

    def _split(self, task: Task, step: PlannedStep, splits: Splits) -> None:
        if splits.count > self._max_num_splits:
            self.fail(
                f"step '{step.name}' splits '{step.foreach}' into {splits.count} tasks, more than the "
                f"{self._max_num_splits} that are allowed. Raise the limit with --max-num-splits {splits.count}"
            )
            return
        target = step.next[0]
        if splits.count == 0:
            self._create(self.plan.join_of[step.name], task.stack, (), after=(task,))
            return
        for index in range(splits.count):
            value = splits.values[index] if splits.values else None
            label = splits.labels[index] if splits.labels else None
            frame = Frame(step.name, step.foreach or "", index, splits.count, value, label)
            self._create(target, (*task.stack, frame), (task,))

    def _switch(self, task: Task, step: PlannedStep, choice: str | None) -> None:
        target = step.cases.get(choice or "")
        if target is None:
            self.fail(
                f"step '{step.name}' chose the case '{choice}' by '{step.condition}', but its cases are: "
                + ", ".join(f"'{case}'" for case in step.cases)
            )
        else:
            self._arrive(target, task)

    def _arrive(self, name: str, task: Task) -> None:
        step = self.plan.steps[name]
        if not step.join:
            self._create(name, task.stack, (task,))
            return
        if step.closes is not None and self.plan.is_foreach(step.closes):
            self._gather(name, task.stack[:-1], task.stack[-1].count, task.stack[-1].index, task)
        else:
            expected = len(self.plan.steps[step.closes].next)
            self._gather(name, task.stack, expected, self.plan.in_steps[name].index(task.step), task)

    def _gather(self, name: str, stack: tuple[Frame, ...], expected: int, order: int, task: Task) -> None:
        """`task` is input number `order` of the join `name`, which is made once all have come."""
        key = (name, _indices(stack))
        gathering = self._gathering.get(key)
        if gathering is None:
            gathering = self._gathering[key] = _Gathering(stack, expected)
        gathering.arrived.append((order, task))
        if len(gathering.arrived) == gathering.expected:
            del self._gathering[key]
            gathering.arrived.sort(key=lambda item: item[0])
            self._create(name, stack, tuple(task for _, task in gathering.arrived))

    def _create(
        self, step: str, stack: tuple[Frame, ...], parents: tuple[Task, ...], after: tuple[Task, ...] | None = None
    ) -> None:
        place = position_of(step, stack)
        turn = self._turns.get(place, 0)
        if turn >= self.plan.steps[step].max_turns:
            self.fail(
                f"step '{step}' has run {turn} times, which is the limit, and its condition "
                f"'{self.plan.steps[step].condition}' asks for one more. "
                f"Raise the limit with max_iterations = {2 * turn}, and resume"
            )
            return
        self._turns[place] = turn + 1
        self._last_id += 1
        task = Task(str(self._last_id), step, position_of(step, stack, turn), stack, parents, after)
        origin = self._find_origin(task) if self._find_origin else None
        if origin is None and self._only not in (None, task.position):
            return
        if origin is None:
            self._ready.setdefault(step, deque()).append(task)
        else:
            task.cloned = not task.kept or task.origin is not None
            self._to_clone.append((task, origin))

    # -- splits without which the run goes on

    def _give_up(self, task: Task, failure: Failure) -> bool:
        """Go on without the innermost split around the task whose foreach can spare one more. False when none can."""
        if self._is_lost(task):
            self._note_given_up(task, failure)
            return True
        for depth in range(len(task.stack) - 1, -1, -1):
            frame, around = task.stack[depth], task.stack[:depth]
            lost = self._lost.get((frame.step, _indices(around)), set())
            if len(lost) < self.plan.steps[frame.step].can_spare(frame.count):
                self._lost[frame.step, _indices(around)] = lost | {frame.index}
                self._note_given_up(task, failure)
                self._forget(task.stack[: depth + 1])
                self._gather(self.plan.join_of[frame.step], around, frame.count, frame.index, task)
                return True
        return False

    def _note_given_up(self, task: Task, failure: Failure) -> None:
        task.failure = failure
        self.given_up.append(task)

    def _is_lost(self, task: Task) -> bool:
        """Is the task in a split that failed already? Nothing follows from what becomes of it."""
        return bool(self._lost) and any(
            frame.index in self._lost.get((frame.step, _indices(task.stack[:depth])), ())
            for depth, frame in enumerate(task.stack)
        )

    def _forget(self, split: tuple[Frame, ...]) -> None:
        """Nothing of this split is launched or waited for any more."""
        depth, last = len(split), split[-1]

        def outside(stack: tuple[Frame, ...]) -> bool:
            # Ten thousand splits may wait here, so what tells most of them apart comes first.
            if len(stack) < depth or stack[depth - 1].index != last.index:
                return True
            return any((a.step, a.index) != (b.step, b.index) for a, b in zip(stack, split))

        for step, tasks in self._ready.items():
            if tasks and not all(outside(task.stack) for task in tasks):
                self._ready[step] = deque(task for task in tasks if outside(task.stack))
        self._delayed = [item for item in self._delayed if outside(item[2].stack)]
        heapq.heapify(self._delayed)
        self._to_clone = deque(item for item in self._to_clone if outside(item[0].stack))
        self._gathering = {key: waiting for key, waiting in self._gathering.items() if outside(waiting.stack)}

    def _retry(self, task: Task, due: float) -> None:
        task.attempt += 1
        task.due = due
        heapq.heappush(self._delayed, (due, int(task.id), task))

    def _wake(self, now: float) -> None:
        while self._delayed and self._delayed[0][0] <= now:
            task = heapq.heappop(self._delayed)[2]
            self._ready.setdefault(task.step, deque()).appendleft(task)

    def _settle(self) -> None:
        if self.status != "running" or self.running:
            return
        if self._stopping:
            self.status = "failed"
        elif self._only is not None:
            self._settle_only()
        elif self.end_task is not None and not self.waiting() and not self._to_clone and not self._gathering:
            self.status = "completed"

    def _settle_only(self) -> None:
        """The one task that is wanted is done, or is out of reach."""
        if self._only_done:
            self.status = "completed"
        elif not self.waiting() and not self._to_clone and not self._cloning:
            self.problem = f"the flow does not come to the task at '{self._only}' any more"
            self.status = "failed"


def _indices(stack: tuple[Frame, ...]) -> tuple[int, ...]:
    return tuple(frame.index for frame in stack)


def attempts_allowed(task: Task, policy: Any) -> int:
    """That a cluster lost a job is not the task's fault: a few such attempts are not counted."""
    return policy.max_attempts + task.lost


def _delay(delays: Sequence[float], attempt: int) -> float:
    """Seconds to wait after attempt number `attempt` failed; the last value counts for all that follow."""
    return float(delays[min(attempt, len(delays) - 1)]) if delays else 0.0
