"""Task records that are kept many to a file.

``_tasks/<n>.jsonl`` of a run commits the records in it, one a line, as ``task.json`` commits one: a resume that takes
over ten thousand tasks writes one file instead of ten thousand. ``_tasks/all.jsonl`` is written when a run ends and has
every record of it, so whoever reads a whole run reads one file.
"""
from __future__ import annotations

from typing import Any

from ..contracts.storage import Storage
from ..errors import NotFound
from . import layout
from .record_lines import RecordLines
from .records import decode, encode

__all__ = ["TaskBatches"]

Record = dict[str, Any]
Place = tuple[str, str, int]


class TaskBatches:
    """The batches of runs on a storage. A place is (step, task, attempt)."""

    def __init__(self, storage: Storage):
        self._storage = storage
        # Batches are never changed, only added. The last run that was asked for is remembered.
        self._known: tuple[Any, dict[Place, Record]] | None = None

    def commit(self, flow: str, run: str, number: int, records: list[Record]) -> list[bytes]:
        """Commit these records at once, as batch `number` of the run; returns them as they were written."""
        key = layout.batch_key(flow, run, str(number))
        lines = [encode(record, key) for record in records]
        self._storage.write(key, RecordLines(lines).content())
        return lines

    def next_number(self, flow: str, run: str) -> int:
        """The number of the first batch that the run does not have yet."""
        keys = self._storage.list_files(layout.batch_folder(flow, run))
        return sum(1 for key in keys if key != layout.batch_key(flow, run, layout.ALL_TASKS))

    def complete(self, flow: str, run: str, lines: RecordLines) -> None:
        """The run has ended, and these are all its records, as they were written when they were committed."""
        self._storage.write(layout.batch_key(flow, run, layout.ALL_TASKS), lines.content())

    def is_complete(self, flow: str, run: str) -> bool:
        """Has the run ended with nothing left to commit?"""
        return self._storage.exists(layout.batch_key(flow, run, layout.ALL_TASKS))

    def reopen(self, flow: str, run: str) -> None:
        """More will be committed in a run that has ended: its records are to be read one by one again."""
        self._storage.delete([layout.batch_key(flow, run, layout.ALL_TASKS)])

    def committed(self, flow: str, run: str) -> dict[Place, Record]:
        """{place: record} of what was committed in batches; these tasks have no folder of their own."""
        whole = layout.batch_key(flow, run, layout.ALL_TASKS)
        keys = [key for key in self._storage.list_files(layout.batch_folder(flow, run)) if key != whole]
        if not keys:
            return {}
        # Another run may have this id by now, when somebody removed the store under our feet.
        state = (
            flow,
            run,
            self._storage.size(layout.run_key(flow, run)),
            [(key, self._storage.size(key)) for key in keys],
        )
        if self._known is None or self._known[0] != state:
            found = self._storage.read_many(keys)
            records = [record for key in keys if key in found for record in _records(found[key], key)]
            self._known = (state, {_place(record): record for record in records})
        return self._known[1]

    def whole(self, flow: str, run: str) -> list[Record] | None:
        """Every record of a run that has ended, in the order of their commits; None while it runs or when it died."""
        key = layout.batch_key(flow, run, layout.ALL_TASKS)
        try:
            return _records(self._storage.read(key), key)
        except NotFound:
            return None


def _records(data: bytes, key: str) -> list[Record]:
    return [decode(line, key) for line in data.split(b"\n") if line]


def _place(record: Record) -> Place:
    return record["step"], record["task"], record["attempt"]
