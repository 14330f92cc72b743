"""Resume: which tasks of an earlier run stand in for tasks of this one.

A task is cloned when the earlier run finished the task at the same position, after the same tasks, and all of these
were cloned, too; so whatever depends on work that is done again is done again. A task that ended after its scheduler
died, and was never committed, is adopted: its outcome is read from its folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import MetaflowError
from ..store.open import Store
from .commit import adopted_record
from .outcome import discard_staged, read_result, splits_from_record, store_staged
from .plan import Plan
from .states import Outcome, Task

__all__ = ["OriginRun"]


class OriginRun:
    """The finished tasks of a run, by position, for a run of `plan`. `redo` is a step that is run again in any case."""

    def __init__(self, store: Store, plan: Plan, run: str, redo: str | None = None) -> None:
        self.flow = plan.flow
        self.run = run
        self._store = store
        self._again = _steps_that_leave_something_else(store.runs.read_run(self.flow, run)["spec"], plan)
        if redo is not None:
            self._again.add(redo)
        self._records: dict[str, dict[str, Any]] = {}
        self._positions: dict[str, str] = {}
        committed: set[tuple[str, str, int]] = set()
        for record in store.tasks.read_tasks(self.flow, run):
            committed.add((record["step"], record["task"], record["attempt"]))
            if record["ok"]:
                self._remember(record)
        self.adopted = self._adopt(committed)

    def find(self, task: Task) -> Outcome | None:
        if task.step in self._again or not all(earlier.cloned for earlier in task.after):
            return None
        record = self._records.get(task.position)
        if record is None or not self._has_parents(record, task.parents):
            return None
        task.origin = record.get("origin") or _pathspec(record)
        splits = splits_from_record(record.get("splits"))
        return Outcome(record["artifacts"], splits, record.get("choice"), extra=record)

    def _remember(self, record: dict[str, Any]) -> None:
        self._records[record["position"]] = record
        self._positions[f"{record['step']}/{record['task']}"] = record["position"]

    def _has_parents(self, record: Mapping[str, Any], parents: Sequence[Task]) -> bool:
        """The steps around a step can have changed; what it saw then must be what it would see now."""
        return [self._positions.get(key) for key in record["parents"]] == [parent.position for parent in parents]

    def _adopt(self, committed: set[tuple[str, str, int]]) -> int:
        """Results that no scheduler was there to commit."""
        runs, storage = self._store.runs, self._store.storage
        adopted = 0
        for step in runs.list_steps(self.flow, self.run):
            for task in runs.list_tasks(self.flow, self.run, step):
                for attempt in runs.list_attempts(self.flow, self.run, step, task):
                    if (step, task, attempt) in committed:
                        continue
                    folder = storage.local_path(f"flows/{self.flow}/{self.run}/{step}/{task}/{attempt}")
                    record = None if folder is None else self._adopted_record(folder, step, task, attempt)
                    if record is not None:
                        self._remember(record)
                        adopted += 1
        return adopted

    def _adopted_record(self, folder: str, step: str, task: str, attempt: int) -> dict[str, Any] | None:
        """Finish the commit that the dead scheduler began, in the run it belongs to."""
        try:
            result = read_result(folder) if os.path.isdir(folder) else None
            if result is None or not result.get("ok"):
                return None
            parents = [self._store.tasks.read_task(self.flow, self.run, *key.split("/")) for key in result["parents"]]
            kept = store_staged(self._store.blobs, folder, result)
            record = adopted_record(self._store, self.flow, self.run, step, task, attempt, result, kept, parents)
            self._store.runs.batches.reopen(self.flow, self.run)
            self._store.tasks.commit_task(record)
            discard_staged(folder)
        except (OSError, ValueError, KeyError, MetaflowError):
            return None
        return record


def _steps_that_leave_something_else(earlier: Mapping[str, Any], plan: Plan) -> set[str]:
    """Steps that became a foreach or a switch, or one over another artifact: what they left tells no way to go on."""
    left = {}
    for step in earlier["steps"]:
        left[step["name"]] = step.get("foreach"), (step.get("switch") or {}).get("condition")
    return {name for name, step in plan.steps.items() if left.get(name) != (step.foreach, step.condition)}


def _pathspec(record: Mapping[str, Any]) -> str:
    return "/".join((record["flow"], record["run"], record["step"], record["task"], str(record["attempt"])))
