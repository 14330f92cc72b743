"""Who read a run: tasks of other runs that read its artifacts through the client.

``flows/<Flow>/_readers/<run>/<reader>.json`` names one of them, so that lineage goes down as well as up. What the task
read is in its own record; here it stands once more under the run that was read, where it can be found.
"""

from __future__ import annotations

from typing import Any

from ..contracts.storage import Storage
from . import layout
from .records import decode, encode

__all__ = ["ReaderStore"]

Record = dict[str, Any]
_PLACE = ("flow", "run", "step", "task", "attempt")


class ReaderStore:
    """Readers on a storage."""

    def __init__(self, storage: Storage):
        self._storage = storage

    def add(self, record: Record) -> None:
        """Note what this task record says in its "reads"."""
        by_run: dict[tuple[str, str], list[str]] = {}
        for pathspec in record["reads"]:
            flow, run = pathspec.split("/")[:2]
            by_run.setdefault((flow, run), []).append(pathspec)
        name = ".".join(str(record[field]) for field in _PLACE)
        for (flow, run), artifacts in by_run.items():
            key = layout.readers_key(flow, run, name)
            self._storage.write(
                key, encode({**{field: record[field] for field in _PLACE}, "artifacts": artifacts}, key)
            )

    def of_run(self, flow: str, run: str) -> list[Record]:
        """{"flow", "run", "step", "task", "attempt", "artifacts": pathspecs} of each; it may not have finished."""
        keys = self._storage.list_files(layout.readers_folder(flow, run))
        return [decode(data, key) for key, data in self._storage.read_many(keys).items()]
