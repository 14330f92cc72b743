"""Logs: what a task wrote to stdout and stderr, one file each per attempt, absent when empty."""
from __future__ import annotations

from typing import Any

from ..contracts.storage import Storage
from ..errors import NotFound, StoreError
from . import layout

__all__ = ["STREAMS", "LogStore", "log_key", "origin_of"]

STREAMS = ("stdout", "stderr")
_REST = 1 << 62  # more than any log: read to the end


def log_key(flow: str, run: str, step: str, task: str, attempt: int, stream: str) -> str:
    if stream not in STREAMS:
        raise StoreError(f"there is no log called {stream!r}", hint="Logs are stdout and stderr.")
    return f"{layout.attempt_folder(flow, run, step, task, attempt)}/{stream}.log"


class LogStore:
    """Log files on a storage; offsets and sizes in bytes."""

    def __init__(self, storage: Storage):
        self._storage = storage

    def log_path(self, flow: str, run: str, step: str, task: str, attempt: int, stream: str) -> str | None:
        """The local file that a worker writes to, None when the storage is not local."""
        return self._storage.local_path(log_key(flow, run, step, task, attempt, stream))

    def size(self, flow: str, run: str, step: str, task: str, attempt: int, stream: str) -> int:
        return self._storage.size(log_key(flow, run, step, task, attempt, stream)) or 0

    def sizes(self, flow: str, run: str, step: str, task: str, attempt: int) -> dict[str, int]:
        """{"stdout": bytes, "stderr": bytes}, the shape of task.json's "logs"."""
        return {stream: self.size(flow, run, step, task, attempt, stream) for stream in STREAMS}

    def read(
        self, flow: str, run: str, step: str, task: str, attempt: int, stream: str,
        offset: int = 0, max_bytes: int | None = None,
    ) -> bytes:
        """Bytes of a log from `offset`, empty past its end and when nothing was written."""
        key = log_key(flow, run, step, task, attempt, stream)
        size = self._storage.size(key) or 0
        wanted = min(size - offset, _REST if max_bytes is None else max_bytes)
        if wanted <= 0:
            return b""
        try:
            return self._storage.read_range(key, offset, wanted)
        except NotFound:
            return b""


def origin_of(record: dict[str, Any]) -> dict[str, Any] | None:
    """Where a cloned task's logs are: {"flow","run","step","task","attempt"}, None for a task that ran itself."""
    if not record.get("origin"):
        return None
    flow, run, step, task, attempt = record["origin"].split("/")
    return {"flow": flow, "run": run, "step": step, "task": task, "attempt": int(attempt)}
