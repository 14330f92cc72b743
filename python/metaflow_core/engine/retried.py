"""One task of an earlier run, run again by itself with the code of now.

The run that does it takes over all that the task came from, and nothing else of the flow is run: it is a scratch run,
marked as such, which `resume` does not take for the newest run.
"""

from __future__ import annotations

from typing import Any

from ..errors import ResumeError
from ..store.open import Store
from .plan import Plan
from .resume import OriginRun
from .states import Outcome, Task

__all__ = ["SCRATCH", "RetriedTask"]

SCRATCH = "scratch"
"""The system tag of such a run."""


class RetriedTask(OriginRun):
    """The tasks that `task` ("step/id") came from; `position` is its own place."""

    def __init__(self, store: Store, plan: Plan, run: str, task: str) -> None:
        super().__init__(store, plan, run)
        record = self._read(task)
        if record["step"] not in plan.steps:
            raise ResumeError(f"the flow '{plan.flow}' has no step '{record['step']}' any more")
        self.position: str = record["position"]
        self._wanted = self._ancestors(record)

    def find(self, task: Task) -> Outcome | None:
        return super().find(task) if task.position in self._wanted else None

    def _ancestors(self, record: dict[str, Any]) -> set[str]:
        wanted: set[str] = set()
        waiting = list(record["parents"])
        while waiting:
            position = self._positions.get(waiting.pop())
            if position is not None and position not in wanted:
                wanted.add(position)
                waiting += self._records[position]["parents"]
        return wanted

    def _read(self, task: str) -> dict[str, Any]:
        step, _, number = task.partition("/")
        attempts = self._store.tasks.read_attempts(self.flow, self.run, step, number)
        record = next((record for _, record in sorted(attempts.items(), reverse=True) if record is not None), None)
        if record is None:
            raise ResumeError(
                f"task {self.flow}/{self.run}/{task} has not ended, or does not exist, and cannot be run again",
                hint=f"Rscript flow.R dump {self.run} shows the tasks of the run.",
            )
        return record
