"""Resume: which tasks of an earlier run stand in for tasks of this one.

A task is cloned when the earlier run finished the task at the same position and everything before it was cloned, too;
so whatever depends on work that is done again is done again. A task that ended after its scheduler died, and was never
committed, is adopted: its outcome is read from its folder.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ..errors import MetaflowError
from ..store.open import Store
from .commit import adopted_record
from .outcome import discard_staged, read_result, splits_from_record, store_staged
from .states import Outcome, Task

__all__ = ["OriginRun"]


class OriginRun:
    """The finished tasks of a run, by position. `redo` is a step that is run again even if it was done."""

    def __init__(self, store: Store, flow: str, run: str, redo: str | None = None) -> None:
        self.flow = flow
        self.run = run
        self._redo = redo
        self._store = store
        self._records: dict[str, dict[str, Any]] = {}
        committed: set[tuple[str, str, int]] = set()
        for record in store.tasks.read_tasks(flow, run):
            committed.add((record["step"], record["task"], record["attempt"]))
            if record["ok"]:
                self._records[record["position"]] = record
        self.adopted = self._adopt(committed)

    def find(self, task: Task) -> Outcome | None:
        if task.step == self._redo or not all(parent.cloned for parent in task.parents):
            return None
        record = self._records.get(task.position)
        if record is None:
            return None
        task.origin = record.get("origin") or _pathspec(record)
        return Outcome(record["artifacts"], splits_from_record(record.get("splits")), record.get("choice"), extra=record)

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
                        self._records[record["position"]] = record
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
            self._store.tasks.commit_task(record)
            discard_staged(folder)
        except (OSError, ValueError, KeyError, MetaflowError):
            return None
        return record


def _pathspec(record: Mapping[str, Any]) -> str:
    return "/".join((record["flow"], record["run"], record["step"], record["task"], str(record["attempt"])))
