"""Tasks: the commit of an attempt, and the artifacts that a task has.

``task.json`` is the commit: written once, in one step, after everything it names. An attempt
without it is running, or was killed.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..contracts.storage import Storage
from ..errors import Corrupted, NotFound, StoreConflict
from . import layout
from .records import decode, encode
from .runs import RunStore

__all__ = ["TaskStore", "blob_of"]

Record = dict[str, Any]


def blob_of(artifact: Record) -> tuple[str, int, int]:
    """Where an artifact's bytes are: (digest of the blob, offset, size in bytes)."""
    return artifact.get("blob") or artifact["digest"], artifact.get("offset") or 0, artifact["size"]


class TaskStore:
    """Task records on a storage."""

    def __init__(self, storage: Storage, runs: RunStore):
        self._storage = storage
        self._runs = runs

    # -- committing

    def commit_task(self, record: Record) -> bytes:
        """Commit an attempt; returns the record as it was written. StoreConflict when it was committed before with
        another content."""
        key = layout.task_key(record["flow"], record["run"], record["step"], record["task"], record["attempt"])
        data = encode(record, key)
        if not self._storage.create(key, data) and self._storage.read(key) != data:
            raise StoreConflict(
                f"{key} was committed before",
                hint="Another process runs the same task. A finished attempt is never replaced.",
                data={"key": key},
            )
        return data

    # -- reading

    def has_task(self, flow: str, run: str, step: str, task: str, attempt: int) -> bool:
        """Whether the attempt is committed by a file of its own, as those of task runners are."""
        return self._storage.exists(layout.task_key(flow, run, step, task, attempt))

    def read_task(self, flow: str, run: str, step: str, task: str, attempt: int | None = None) -> Record:
        """The record of an attempt, by default of the latest finished one; NotFound if none is finished."""
        if attempt is not None:
            return self._read_place(flow, run, step, task, attempt)
        for number in reversed(self._runs.list_attempts(flow, run, step, task)):
            try:
                return self._read_place(flow, run, step, task, number)
            except NotFound:
                continue
        raise NotFound(
            f"task {flow}/{run}/{step}/{task} has no finished attempt",
            data={"flow": flow, "run": run, "step": step, "task": task},
        )

    def read_attempts(self, flow: str, run: str, step: str, task: str) -> dict[int, Record | None]:
        """{attempt: its record, or None while it is not finished}, in order."""
        numbers = self._runs.list_attempts(flow, run, step, task)
        keys = {number: layout.task_key(flow, run, step, task, number) for number in numbers}
        found = self._storage.read_many(keys.values())
        batched = self._runs.batches.committed(flow, run) if len(found) < len(keys) else {}
        return {n: decode(found[key], key) if key in found else batched.get((step, task, n)) for n, key in keys.items()}

    def read_tasks(self, flow: str, run: str, steps: Iterable[str] | None = None) -> list[Record]:
        """All finished attempts of a run (or of some of its steps), by step, task and attempt."""
        records = self._runs.batches.whole(flow, run)
        if records is None:
            records = self._read_listed(flow, run, steps)
        elif steps is not None:
            wanted = set(steps)
            records = [record for record in records if record["step"] in wanted]
        return sorted(records, key=lambda record: (record["step"], int(record["task"]), record["attempt"]))

    def _read_listed(self, flow: str, run: str, steps: Iterable[str] | None) -> list[Record]:
        """The same for a run that has not ended in good order: its folders are looked through."""
        batched = self._runs.batches.committed(flow, run)
        places = [
            (step, task, attempt)
            for step in (self._runs.list_steps(flow, run) if steps is None else steps)
            for task in self._runs.list_tasks(flow, run, step)
            for attempt in self._runs.list_attempts(flow, run, step, task)
        ]
        keys = {place: layout.task_key(flow, run, *place) for place in places if place not in batched}
        found = self._storage.read_many(keys.values())
        own = [decode(found[key], key) for key in keys.values() if key in found]
        return own + [batched[place] for place in places if place in batched]

    def _read_place(self, flow: str, run: str, step: str, task: str, attempt: int) -> Record:
        try:
            return self._read(layout.task_key(flow, run, step, task, attempt))
        except NotFound:
            batched = self._runs.batches.committed(flow, run).get((step, task, attempt))
            if batched is None:
                raise
            return batched

    # -- artifacts

    def resolve_artifacts(self, record: Record, known: dict[str, Record] | None = None) -> dict[str, Record]:
        """{name: ArtifactRecord} of everything a task has: its own, and those it inherits.

        Who resolves many siblings passes one dict as `known` each time: the records they share
        are read once and kept there. Nothing is kept longer than that, because a store can be
        deleted and begun again at run 1 while a session is open.
        """
        hidden: set = set()
        artifacts: dict[str, Record] = {}
        for task in self._lineage(record, {} if known is None else known):
            for name, artifact in task.get("artifacts", {}).items():
                if name not in hidden:
                    artifacts.setdefault(name, artifact)
            hidden.update(task.get("removed") or ())
        return artifacts

    def _lineage(self, record: Record, known: dict[str, Record]) -> Iterator[Record]:
        """The task and, one after the other, those it inherits from."""
        seen = set()
        while True:
            yield record
            parent = record.get("inherits")
            if not parent:
                return
            if parent in seen:
                run = f"{record['flow']}/{record['run']}"
                raise Corrupted(f"{run}/{parent} inherits from itself", data={"task": f"{run}/{parent}"})
            seen.add(parent)
            step, task, attempt = parent.split("/")
            key = layout.task_key(record["flow"], record["run"], step, task, int(attempt))
            if key not in known:
                known[key] = self._read_place(record["flow"], record["run"], step, task, int(attempt))
            record = known[key]

    def _read(self, key: str) -> Record:
        try:
            return decode(self._storage.read(key), key)
        except NotFound:
            raise NotFound(f"{key} is not in the datastore: this attempt did not finish", data={"key": key}) from None
