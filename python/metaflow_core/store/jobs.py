"""Job specs: what a task runner on another machine is told (runners/task.py).

Tasks that are submitted together, as one array job, share a spec of two keys in the folder ``_jobs`` of their run:
``<name>.json`` has what they have in common and says where in ``<name>.tasks`` the line of each is, so that one of ten
thousand tasks reads its own line and not all of them. A spec is written once, before its jobs are submitted, and stays:
it is how a later scheduler knows which jobs to look for. It holds no secrets.
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from ..contracts.storage import Storage
from . import layout
from .records import decode, encode

__all__ = ["JobStore", "split_spec_address"]

Record = dict[str, Any]


class JobStore:
    """Job specs on a storage."""

    def __init__(self, storage: Storage):
        self._storage = storage

    def write(self, flow: str, run: str, name: str, head: Record, tasks: Sequence[Record]) -> str:
        """Write a spec; returns the key of its head. `tasks` have "step", "task" and "attempt" at least."""
        key = layout.job_key(flow, run, name)
        lines = [encode(task, key) + b"\n" for task in tasks]
        sizes = [len(line) for line in lines]
        self._storage.write(layout.job_tasks_key(flow, run, name), b"".join(lines))
        head = {"format": 1, "flow": flow, "run": run, "name": name, **head, "sizes": sizes}
        self._storage.write(key, encode(head, key))
        return key

    def read_head(self, flow: str, run: str, name: str) -> Record:
        key = layout.job_key(flow, run, name)
        return decode(self._storage.read(key), key)

    def read_task(self, head: Record, number: int) -> Record:
        """The task `number` (from 0) of the spec with this head."""
        key = layout.job_tasks_key(head["flow"], head["run"], head["name"])
        sizes = head["sizes"]
        return decode(self._storage.read_range(key, sum(sizes[:number]), sizes[number]), key)

    def read_tasks(self, flow: str, run: str, name: str) -> list[Record]:
        key = layout.job_tasks_key(flow, run, name)
        return [decode(line, key) for line in self._storage.read(key).split(b"\n") if line]

    def names(self, flow: str, run: str) -> list[str]:
        """The specs of a run, in the order of their names."""
        keys = self._storage.list_files(layout.job_folder(flow, run))
        return [os.path.basename(key)[: -len(".json")] for key in keys if key.endswith(".json")]

    def places(self, flow: str, runs: Iterable[str], backend: str) -> set[str]:
        """The parts of the cluster (a namespace, a queue) that jobs of these runs were sent to."""
        keys = [layout.job_key(flow, run, name) for run in runs for name in self.names(flow, run)]
        heads = (decode(data, key) for key, data in self._storage.read_many(keys).items())
        return {head["where"] for head in heads if head["backend"] == backend and head.get("where")}

    # -- what a runner tells before it commits

    def begin(self, flow: str, run: str, step: str, task: str, attempt: int, by: Record) -> Record | None:
        """Say that `by` ({"job", "host", "at"}) works on this attempt. None if nobody did before; else what the first
        one said, which stands."""
        key = layout.begun_key(flow, run, step, task, attempt)
        if self._storage.create(key, encode(by, key)):
            return None
        return decode(self._storage.read(key), key)


def split_spec_address(address: str) -> tuple[str, str, str, str]:
    """(root of the datastore, flow, run, name) of "<root>/flows/<flow>/<run>/_jobs/<name>.json"."""
    parts = address.split("/")
    if len(parts) < 6 or parts[-5] != layout.FLOWS or parts[-2] != layout.JOBS or not parts[-1].endswith(".json"):
        raise ValueError(address)
    return "/".join(parts[:-5]), parts[-4], parts[-3], parts[-1][: -len(".json")]
