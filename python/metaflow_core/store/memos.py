"""Memos: what finished tasks of memoised steps had read, so that a later task that would read the same can take over
their results.

``flows/<Flow>/_memo/<step>/<kind>/<run>-<version>.json`` has what one run finished of a step. `kind` is a digest of
how the step is set up, `version` one of its code, so a reader opens only what can match. A memo only points at tasks:
the task's own record is the truth, and one that is gone is a memo of nothing. So memos may be deleted, and are
written a moment after the commit.
"""

from __future__ import annotations

from typing import Any

from ..contracts.storage import Storage
from . import layout
from .records import decode, encode

__all__ = ["MemoStore"]

Record = dict[str, Any]


class MemoStore:
    """Memos on a storage. What a memo holds is the business of engine/memory.py."""

    def __init__(self, storage: Storage):
        self._storage = storage

    def kinds(self, flow: str, step: str) -> list[str]:
        return self._storage.list_dirs(layout.memo_steps(flow, step))

    def listed(self, flow: str, step: str, kind: str) -> list[tuple[str, str]]:
        """(run, version) of the memos there are, newest run first."""
        found = []
        for key in self._storage.list_files(layout.memo_folder(flow, step, kind)):
            run, _, version = key.rpartition("/")[2].rpartition(".")[0].partition("-")
            if run.isdecimal() and version:
                found.append((run, version))
        return sorted(found, key=lambda item: int(item[0]), reverse=True)

    def read(self, flow: str, step: str, kind: str, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], Record]:
        """The memos of these (run, version); those that are gone are absent."""
        keys = {item: layout.memo_key(flow, step, kind, *item) for item in wanted}
        found = self._storage.read_many(keys.values())
        return {item: decode(found[key], key) for item, key in keys.items() if key in found}

    def write(self, flow: str, step: str, kind: str, run: str, version: str, memo: Record) -> None:
        key = layout.memo_key(flow, step, kind, run, version)
        self._storage.write(key, encode(memo, key))
