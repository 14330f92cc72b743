"""A run that goes on in another process: its scheduler was suspended, or died, and is started again elsewhere.

Nothing is cloned: a task that is done stays what it is, with its id; one whose job still waits or runs is waited for;
one that failed and was to be tried again is tried again. Only new tasks get ids, after all that were ever given.
"""

from __future__ import annotations

from ..store.open import Store
from .outcome import splits_from_record
from .plan import Plan
from .resume import OriginRun, RunningJob
from .states import Outcome, Task

__all__ = ["ContinuedRun"]


class ContinuedRun(OriginRun):
    """What the run has done so far, by position. `last_id`: the greatest task id that was given."""

    def __init__(self, store: Store, plan: Plan, run: str) -> None:
        self._tried: dict[str, tuple[str, int]] = {}
        super().__init__(store, plan, run)
        if store.runs.batches.is_complete(self.flow, run):
            store.runs.batches.reopen(self.flow, run)
        for record in store.tasks.read_tasks(self.flow, run):
            if not record["ok"]:
                attempt = max(record["attempt"], self._tried.get(record["position"], ("", -1))[1])
                self._tried[record["position"]] = record["task"], attempt
        self.last_id = max(map(int, self._ids()), default=0)

    def find(self, task: Task) -> Outcome | None:
        record = self._records.get(task.position)
        if record is not None and self._has_parents(record, task.parents):
            task.id, task.attempt = record["task"], record["attempt"]
            task.origin, task.remembered = record.get("origin"), bool(record.get("cached"))
            task.kept = True
            splits = splits_from_record(record.get("splits"))
            return Outcome(record["artifacts"], splits, record.get("choice"), extra=record)
        job = self._running.get(task.position)
        if job is not None:
            task.id, task.attempt = job.task, job.attempt
        elif task.position in self._tried:
            task.id, attempt = self._tried[task.position]
            task.attempt = attempt + 1
        return None

    def find_job(self, task: Task) -> RunningJob | None:
        job = self._running.get(task.position)
        return job if job is not None and (job.task, job.attempt) == (task.id, task.attempt) else None

    def _ids(self) -> set[str]:
        """Every id that a task of the run has or had, whatever became of it."""
        found = {record["task"] for record in self._records.values()}
        found.update(task for task, _ in self._tried.values())
        found.update(job.task for job in self._jobs.values())
        found.update(task for _, task, _ in self._folders())
        return found
