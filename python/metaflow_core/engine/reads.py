"""What a task has read, and what that is now: the two sides of the comparison that lets a task be taken over.

The R worker notes everything a task looks at (R/memory-trace.R). A note is a text:

    global:clean     an object of the workspace        input            its element of the innermost foreach
    self:x           an artifact or a parameter        index            its places in all foreaches around it
    inputs:x         an artifact of all inputs         stack            elements and places of all foreaches
    names            which names `self` has            inputs           how many inputs there are, of which steps
    inputs*          everything of all inputs          current:tags     a fact about the task

`ReadValues.of(task, note)` is a digest of what this is for a task: the same before it runs as after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..canonical import canonical_json
from ..store.open import Store
from .fingerprint import Fingerprint, short
from .plan import Plan
from .position import Frame
from .states import Task

__all__ = ["ABSENT", "ReadValues"]

ABSENT = "-"  # a task that looked and found nothing has read that, too
_WHOLE_BLOB_BYTES = 64 * 1024 * 1024
_CHANGING = {"run_id", "task_id", "pathspec", "origin_run_id"}  # of no other task are these the same
_CONSTANT = {"step_name", "project_name", "branch_name"}


class ReadValues:
    """Digests of what tasks of one run read. `current` are the facts that are the same for all of its tasks."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        parameters: Mapping[str, Any],
        fingerprint: Fingerprint,
        current: Mapping[str, Any],
    ) -> None:
        self._store = store
        self._plan = plan
        self._parameters = parameters
        self._fingerprint = fingerprint
        self._current = current
        self._splits: dict[tuple[str, int, int], str] = {}
        self._blob: tuple[str, bytes] | None = None
        self._plain: dict[str, Callable[[Task], str | None]] = {
            "input": lambda task: self._element(task.stack[-1]) if task.stack else ABSENT,
            "index": lambda task: _json([frame.index for frame in task.stack]),
            "stack": lambda task: _json([[frame.index, frame.count, self._element(frame)] for frame in task.stack]),
            "names": lambda task: _json(sorted({*self._parameters, *self._names(task)})),
            "inputs": lambda task: _json([parent.step for parent in task.parents]),
            "inputs*": self._everything,
        }

    def of(self, task: Task, note: str) -> str | None:
        """A digest; ABSENT for what does not exist; None for what cannot be compared."""
        if note in self._plain:
            return self._plain[note](task)
        kind, _, name = note.partition(":")
        if kind == "global":
            piece = self._fingerprint.piece(f"globals/{name}")
            return ABSENT if piece is None else piece.digest
        if kind == "self":
            return _digest(
                self._parameters.get(name) or (task.parents[0].table.get(name) if self._inherits(task) else None)
            )
        if kind == "inputs":
            return _json([_digest(self._parameters.get(name) or parent.table.get(name)) for parent in task.parents])
        return self._fact(task, name) if kind == "current" else None

    def _fact(self, task: Task, name: str) -> str | None:
        if name == "retry_count":
            return str(task.attempt)
        if name in _CHANGING or name not in self._current and name not in _CONSTANT:
            return None
        return short(canonical_json(self._current.get(name)).encode())

    def _inherits(self, task: Task) -> bool:
        """A join has nothing but parameters until it takes over something from its inputs."""
        return bool(task.parents) and not self._plan.steps[task.step].join

    def _names(self, task: Task) -> Iterable[str]:
        return task.parents[0].table.flat() if self._inherits(task) else ()

    def _everything(self, task: Task) -> str | None:
        tables = [
            {name: _digest(record) for name, record in sorted(parent.table.flat().items())} for parent in task.parents
        ]
        return _json([tables, {name: _digest(record) for name, record in sorted(self._parameters.items())}])

    def _element(self, frame: Frame) -> str | None:
        """Elements of a foreach are slices of one blob, of which nobody has taken digests yet."""
        value = frame.value
        if value is None:
            return None
        place = (value["blob"], value["offset"], value["size"])
        if place not in self._splits:
            self._splits[place] = short(self._slice(*place))
        return self._splits[place]

    def _slice(self, blob: str, offset: int, size: int) -> bytes:
        if self._blob is None or self._blob[0] != blob:
            if (self._store.blobs.size(blob) or 0) > _WHOLE_BLOB_BYTES:
                with open(self._store.blobs.path(blob), "rb") as file:
                    file.seek(offset)
                    return file.read(size)
            self._blob = (blob, self._store.blobs.read(blob))
        return self._blob[1][offset : offset + size]


def _digest(record: Mapping[str, Any] | None) -> str | None:
    return ABSENT if record is None else (record["digest"] or None) and record["digest"][:32]


def _json(value: Any) -> str | None:
    """A digest of plain data, None when a part of it cannot be compared."""
    if _has_none(value):
        return None
    return short(canonical_json(value).encode())


def _has_none(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_none, value.values()))
    return value is None if not isinstance(value, (list, tuple)) else any(map(_has_none, value))
