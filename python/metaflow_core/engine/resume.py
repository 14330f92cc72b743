"""Resume: which tasks of an earlier run stand in for tasks of this one.

A task is cloned when the earlier run finished the task at the same position, after the same tasks, and all of these
were cloned, too; so whatever depends on work that is done again is done again. A task that ended after its scheduler
died, and was never committed, is adopted: its outcome is read from its folder.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..contracts.backend import Submission
from ..errors import MetaflowError
from ..store.jobs import JobStore
from ..store.logs import LogUploader
from ..store.open import Store
from .collector import collector_paused
from .commit import adopted_record
from .committed import read_committed
from .outcome import discard_staged, read_result, splits_from_record, store_staged
from .plan import Plan, PlannedStep
from .states import Outcome, Task

__all__ = ["OriginRun", "RunningJob", "note_jobs_taken_over"]


@dataclass(frozen=True)
class RunningJob:
    """A task of the earlier run that still waits or runs in a cluster, although its scheduler is gone."""

    path: str
    backend: str
    position: str
    parents: tuple[str, ...]
    task: str
    attempt: int


class OriginRun:
    """The finished tasks of a run, by position, for a run of `plan`. `redo` is a step that is run again in any case."""

    def __init__(self, store: Store, plan: Plan, run: str, redo: str | None = None) -> None:
        self.flow = plan.flow
        self.run = run
        self._store = store
        self._plan = plan
        self._again = _steps_that_leave_something_else(store.runs.read_run(self.flow, run)["spec"], plan)
        if redo is not None:
            self._again.add(redo)
        self._records: dict[str, dict[str, Any]] = {}
        self._positions: dict[str, str] = {}
        committed: set[tuple[str, str, int]] = set()
        with collector_paused():
            for record in store.tasks.read_tasks(self.flow, run):
                committed.add((record["step"], record["task"], record["attempt"]))
                if record["ok"]:
                    self._remember(record)
        # A run that ended in good order committed all that its tasks left.
        self.adopted = 0 if store.runs.batches.is_complete(self.flow, run) else self._adopt(committed)
        self._jobs = {job.path: job for job in self._uncommitted_jobs(committed)}
        self._running: dict[str, RunningJob] = {}

    def find(self, task: Task) -> Outcome | None:
        if task.step in self._again or not all(earlier.cloned and not earlier.remembered for earlier in task.after):
            return None
        record = self._records.get(task.position)
        if record is None or not self._has_parents(record, task.parents):
            return None
        if not _leads_on(self._plan.steps[task.step], record):
            return None
        task.origin = record.get("origin") or _pathspec(record)
        splits = splits_from_record(record.get("splits"))
        return Outcome(record["artifacts"], splits, record.get("choice"), extra=record)

    # -- jobs that outlived their scheduler

    def job_backends(self) -> set[str]:
        """Where jobs of the earlier run may still be."""
        return {job.backend for job in self._jobs.values()}

    def look_for_jobs(self, find: Callable[[Sequence[str]], set[str]]) -> None:
        """Ask the clusters which of them wait or run. What ended since is done by now: its record is looked at."""
        alive = find(list(self._jobs)) if self._jobs else set()
        self._running = {self._jobs[path].position: self._jobs[path] for path in alive}
        for path in set(self._jobs) - alive:
            found = read_committed(self._store, path)
            if found is not None and found.record["ok"]:
                self._remember(found.record)

    def find_job(self, task: Task) -> RunningJob | None:
        """The job that does what `task` is to do: it is waited for instead of being submitted again."""
        job = self._running.get(task.position)
        if job is None or task.attempt or task.step in self._again or not all(earlier.cloned for earlier in task.after):
            return None
        return job if self._has_parents({"parents": job.parents}, task.parents) else None

    def _uncommitted_jobs(self, committed: set[tuple[str, str, int]]) -> Iterator[RunningJob]:
        jobs = self._store.jobs
        for name in jobs.names(self.flow, self.run):
            backend = jobs.read_head(self.flow, self.run, name)["backend"]
            for task in jobs.read_tasks(self.flow, self.run, name):
                place = task["step"], task["task"], task["attempt"]
                if place not in committed:
                    # A run that was resumed itself waits for jobs of the run before it.
                    path = task.get("path") or "/".join((self.flow, self.run, *map(str, place)))
                    order = task["order"]
                    yield RunningJob(path, backend, order["position"], tuple(order["parents"]), *place[1:])

    def _remember(self, record: dict[str, Any]) -> None:
        self._records[record["position"]] = record
        self._positions[f"{record['step']}/{record['task']}"] = record["position"]

    def _has_parents(self, record: Mapping[str, Any], parents: Sequence[Task]) -> bool:
        """The steps around a step can have changed; what it saw then must be what it would see now."""
        return [self._positions.get(key) for key in record["parents"]] == [parent.position for parent in parents]

    def _adopt(self, committed: set[tuple[str, str, int]]) -> int:
        """Results that no scheduler was there to commit."""
        adopted = 0
        for step, task, attempt in self._folders():
            folder = self._store.work.attempt_folder(self.flow, self.run, step, task, attempt)
            if (step, task, attempt) in committed:
                if self._store.work.apart:
                    self._store.work.discard_attempt(folder)
                continue
            record = self._adopted_record(folder, step, task, attempt)
            if record is not None:
                self._remember(record)
                adopted += 1
        if not self._store.work.attempts(self.flow, self.run):
            self._store.work.discard_run(self.flow, self.run)
        return adopted

    def _folders(self) -> Iterable[tuple[str, str, int]]:
        """Attempts that may have left something on this machine."""
        if self._store.work.apart:
            yield from self._store.work.attempts(self.flow, self.run)
            return
        runs = self._store.runs
        for step in runs.list_steps(self.flow, self.run):
            for task in runs.list_tasks(self.flow, self.run, step):
                for attempt in runs.list_attempts(self.flow, self.run, step, task):
                    yield step, task, attempt

    def _adopted_record(self, folder: str, step: str, task: str, attempt: int) -> dict[str, Any] | None:
        """Finish the commit that the dead scheduler began, in the run it belongs to."""
        store = self._store
        try:
            result = read_result(folder) if os.path.isdir(folder) else None
            if result is None or not result.get("ok"):
                if store.work.apart:  # its scheduler and its worker are dead: nothing will come of it
                    store.work.discard_attempt(folder)
                return None
            kept = store_staged(store.blobs, folder, result)
            if store.work.apart:
                LogUploader(store, (self.flow, self.run, step, task, attempt), folder, begun=True).push(final=True)
            record = adopted_record(store, self.flow, self.run, step, task, attempt, result, kept)
            store.runs.batches.reopen(self.flow, self.run)
            store.tasks.commit_task(record)
            if store.work.apart:
                store.work.discard_attempt(folder)
            else:
                discard_staged(folder)
        except (OSError, ValueError, KeyError, MetaflowError):
            return None
        return record


def note_jobs_taken_over(jobs: JobStore, flow: str, run: str, tasks: Sequence[Submission]) -> None:
    """Write down, beside the specs of this run, for which jobs of an earlier run it waits: the next resume asks."""
    by_backend: dict[str, list[Submission]] = {}
    for task in tasks:
        if task.path.startswith(f"{flow}/{run}/"):
            continue  # a run that was continued has their specs
        by_backend.setdefault(task.policy.backend, []).append(task)
    for backend, group in by_backend.items():
        lines = []
        for item in group:
            order = item.order
            place = {field: order[field] for field in ("step", "task", "attempt")}
            known = {field: order[field] for field in ("position", "parents")}
            lines.append({**place, "path": item.path, "order": known})
        jobs.write(flow, run, f"taken-{backend}-{group[0].order['task']}", {"backend": backend}, lines)


def _steps_that_leave_something_else(earlier: Mapping[str, Any], plan: Plan) -> set[str]:
    """Steps that became a foreach or a switch, or one over another artifact: what they left tells no way to go on."""
    left = {}
    for step in earlier["steps"]:
        left[step["name"]] = step.get("foreach"), (step.get("switch") or {}).get("condition")
    return {name for name, step in plan.steps.items() if left.get(name) != (step.foreach, step.condition)}


def _leads_on(step: PlannedStep, record: Mapping[str, Any]) -> bool:
    """A switch whose cases have changed cannot go where it once went."""
    return step.condition is None or record.get("choice") in step.cases


def _pathspec(record: Mapping[str, Any]) -> str:
    return "/".join((record["flow"], record["run"], record["step"], record["task"], str(record["attempt"])))
