"""Logs: what a task wrote to stdout and stderr, one file each per attempt, absent when empty.

Where tasks do not write into the datastore itself, `LogUploader` brings there what they print while they run, in
chunks beside the log: ``stdout.log.d/<offset>``. When the task is over the log is written whole and the chunks go.
Readers see the one or the other.
"""
from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from typing import Any

from ..contracts.storage import PutItem, Storage
from ..errors import NotFound, StoreError
from . import layout

__all__ = ["STREAMS", "LogStore", "LogUploader", "log_key", "origin_of"]

STREAMS = ("stdout", "stderr")
_REST = 1 << 62  # more than any log: read to the end
_CHUNK_BYTES = 8 << 20  # a task that prints faster is followed in steps of this size
_DIGITS = 15
_LOOKS = 3  # a log can be finished while its chunks are read

Place = tuple[str, str, str, str, int]  # flow, run, step, task, attempt


def log_key(flow: str, run: str, step: str, task: str, attempt: int, stream: str) -> str:
    if stream not in STREAMS:
        raise StoreError(f"there is no log called {stream!r}", hint="Logs are stdout and stderr.")
    return f"{layout.attempt_folder(flow, run, step, task, attempt)}/{stream}.log"


class LogStore:
    """Log files on a storage; offsets and sizes in bytes."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self._chunked = not storage.capabilities.local_paths

    def log_path(self, flow: str, run: str, step: str, task: str, attempt: int, stream: str) -> str | None:
        """The local file that a worker writes to, None when the storage is not local."""
        return self._storage.local_path(log_key(flow, run, step, task, attempt, stream))

    def size(self, flow: str, run: str, step: str, task: str, attempt: int, stream: str) -> int:
        key = log_key(flow, run, step, task, attempt, stream)
        size = self._storage.size(key)
        if size is None and self._chunked:
            chunks = self._chunks(key)
            if chunks:
                return chunks[-1][0] + (self._storage.size(chunks[-1][1]) or 0)
            size = self._storage.size(key)  # it may have been finished in between
        return size or 0

    def sizes(self, flow: str, run: str, step: str, task: str, attempt: int) -> dict[str, int]:
        """{"stdout": bytes, "stderr": bytes}, the shape of task.json's "logs"."""
        return {stream: self.size(flow, run, step, task, attempt, stream) for stream in STREAMS}

    def read(
        self, flow: str, run: str, step: str, task: str, attempt: int, stream: str,
        offset: int = 0, max_bytes: int | None = None,
    ) -> bytes:
        """Bytes of a log from `offset`, empty past its end and when nothing was written."""
        key = log_key(flow, run, step, task, attempt, stream)
        most = _REST if max_bytes is None else max_bytes
        for _ in range(_LOOKS if self._chunked else 1):
            size = self._storage.size(key)
            if size is not None:
                wanted = min(size - offset, most)
                try:
                    return self._storage.read_range(key, offset, wanted) if wanted > 0 else b""
                except NotFound:
                    continue
            chunks = self._chunks(key) if self._chunked else []
            if not chunks:
                continue
            data = self._read_chunks(chunks, offset, most)
            if data is not None:
                return data
        return b""

    def scrub(self, flow: str, run: str, step: str, task: str, attempt: int, text: bytes) -> int:
        """Put `text` in place of what an attempt that is over has printed; how many bytes are gone."""
        gone = 0
        for stream in STREAMS:
            key = log_key(flow, run, step, task, attempt, stream)
            size = self._storage.size(key)
            if size and self._storage.read_range(key, 0, len(text) + 1) != text:
                self._storage.write(key, text)
                gone += size
        return gone

    def _read_chunks(self, chunks: list[tuple[int, str]], offset: int, most: int) -> bytes | None:
        """None when one is missing: the log was finished meanwhile."""
        later = [place for place in range(len(chunks)) if chunks[place][0] > offset]
        first = max(0, later[0] - 1) if later else len(chunks) - 1
        wanted = [chunk for chunk in chunks[first:] if chunk[0] - offset < most]
        found = self._storage.read_many(key for _, key in wanted)
        if len(found) < len(wanted):
            return None
        data = b"".join(found[key] for _, key in wanted)
        start = offset - chunks[first][0]
        return data[start : start + most]

    def _chunks(self, key: str) -> list[tuple[int, str]]:
        """(offset, key) of what was brought of a log so far, in order."""
        return [(int(chunk.rpartition("/")[2]), chunk) for chunk in self._storage.list_files(_chunk_folder(key))]


class LogUploader:
    """Brings the logs of one attempt from the folder it works in to a store.

    `place` is (flow, run, step, task, attempt). `begun`: somebody else may have brought a part already, as for a task
    that outlived its scheduler.
    """

    def __init__(self, store: Any, place: Place, folder: str, begun: bool = False):
        self._storage: Storage = store.storage
        self._folder = folder
        self._keys = {stream: log_key(*place, stream) for stream in STREAMS}
        self._offsets = dict.fromkeys(STREAMS, 0)
        self._chunks: dict[str, list[str]] = {stream: [] for stream in STREAMS}
        self._begun = begun
        self._guard = threading.Lock()
        self._sizes: dict[str, int] | None = None  # once all is said

    def push(self, final: bool = False) -> dict[str, int]:
        """Bring what is new; {"stdout": bytes, "stderr": bytes} that are there now.

        `final`: the task is over. Afterwards each log is one object, and an empty one none.
        """
        with self._guard:
            if self._sizes is None and final:
                self._sizes = self._push_whole()
            return self._sizes or {stream: self._push_new(stream) for stream in STREAMS}

    def _push_whole(self) -> dict[str, int]:
        items, sizes = [], {}
        for stream in STREAMS:
            path = self._path(stream)
            sizes[stream] = _size(path)
            if sizes[stream]:
                items.append(PutItem(path, self._keys[stream]))
        self._storage.put_many(items, move=False)
        self._storage.delete(self._old_chunks())
        return sizes

    def _push_new(self, stream: str) -> int:
        begin = self._offsets[stream]
        if _size(self._path(stream)) > begin:
            with open(self._path(stream), "rb") as file:
                file.seek(begin)
                data = file.read(_CHUNK_BYTES)
            key = f"{_chunk_folder(self._keys[stream])}/{begin:0{_DIGITS}d}"
            self._storage.write(key, data)
            self._chunks[stream].append(key)
            self._offsets[stream] = begin + len(data)
        return self._offsets[stream]

    def _old_chunks(self) -> Iterable[str]:
        if self._begun:
            for key in self._keys.values():
                yield from self._storage.list_files(_chunk_folder(key))
        else:
            for chunks in self._chunks.values():
                yield from chunks

    def _path(self, stream: str) -> str:
        return os.path.join(self._folder, f"{stream}.log")


def origin_of(record: dict[str, Any]) -> dict[str, Any] | None:
    """Where a cloned task's logs are: {"flow","run","step","task","attempt"}, None for a task that ran itself."""
    if not record.get("origin"):
        return None
    flow, run, step, task, attempt = record["origin"].split("/")
    return {"flow": flow, "run": run, "step": step, "task": task, "attempt": int(attempt)}


def _chunk_folder(key: str) -> str:
    return f"{key}.d"


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0
