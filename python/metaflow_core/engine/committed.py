"""Attempts that a task runner committed, read back into what the scheduler wants to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import NotFound
from ..store.layout import task_key
from ..store.open import Store
from ..store.records import encode
from .outcome import splits_from_record
from .states import Outcome, Task

__all__ = ["Committed", "read_committed"]


@dataclass(frozen=True)
class Committed:
    """A task record and its bytes in the store."""

    record: dict[str, Any]
    written: bytes

    def outcome(self, task: Task, join: bool) -> Outcome:
        """What the task left. A record that stands alone repeats what the task inherited; a table shares it. A `join`
        inherits nothing, not even that of a single split."""
        artifacts, base = self.record["artifacts"], None
        if not self.record.get("origin") and not join and task.parents:
            base = task.parents[0].table
        if base is not None:
            artifacts = {name: artifact for name, artifact in artifacts.items() if base.get(name) != artifact}
        splits = splits_from_record(self.record.get("splits"))
        return Outcome(artifacts, splits, self.record.get("choice"), extra=self.record)


def read_committed(store: Store, path: str) -> Committed | None:
    """The record of the attempt "Flow/run/step/task/attempt", None while there is none."""
    flow, run, step, task, attempt = path.split("/")
    try:
        record = store.tasks.read_task(flow, run, step, task, int(attempt))
    except NotFound:
        return None
    return Committed(record, encode(record, task_key(flow, run, step, task, int(attempt))))
