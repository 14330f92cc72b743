"""Follows the logs of running tasks, so that what they print is shown while they run."""

from __future__ import annotations

import os
from collections.abc import Iterator

from ..errors import MetaflowError
from ..store.log_times import LogTimes
from ..store.logs import LogStore

__all__ = ["LogTail", "StoredLogTail"]

_STREAMS = ("stdout", "stderr")
_CHUNK_BYTES = 1 << 20


class LogTail:
    """New complete lines of the logs of one attempt. `folder` is where the worker writes them."""

    def __init__(self, folder: str) -> None:
        self.times = LogTimes()
        self._folder = folder
        self._offsets = dict.fromkeys(_STREAMS, 0)
        self._begun = dict.fromkeys(_STREAMS, b"")

    def read(self, everything: bool = False) -> list[tuple[str, list[str]]]:
        """[(stream, lines)] since the last call, a chunk at most of each stream so that one who prints without pause
        does not keep us from the others; `everything`: to the end, also a last line without its end."""
        found = []
        for stream in _STREAMS:
            lines = self._read(stream, everything)
            if lines:
                found.append((stream, lines))
        return found

    def _read(self, stream: str, everything: bool) -> list[str]:
        lines: list[bytes] = []
        try:
            for data in self._chunks(stream, everything):
                self._take(stream, data, lines)
        except (OSError, MetaflowError):
            pass
        if everything and self._begun[stream]:
            lines.append(self._begun[stream])
            self._begun[stream] = b""
        return [_shown(line) for line in lines]

    def _chunks(self, stream: str, everything: bool) -> Iterator[bytes]:
        """What is new: one chunk, or with `everything` all of them."""
        path = os.path.join(self._folder, f"{stream}.log")
        if os.path.getsize(path) > self._offsets[stream]:
            with open(path, "rb") as file:
                file.seek(self._offsets[stream])
                while True:
                    data = file.read(_CHUNK_BYTES)
                    yield data
                    if not data or not everything:
                        return

    def _take(self, stream: str, data: bytes, lines: list[bytes]) -> None:
        """Adds the lines that `data` completes."""
        if data:
            self._offsets[stream] += len(data)
            self.times.note(stream, self._offsets[stream])
        *complete, begun = (self._begun[stream] + data).split(b"\n")
        lines.extend(complete)
        if len(begun) > _CHUNK_BYTES:
            # Nobody reads a line that long; it is shown in pieces rather than kept in memory.
            lines.append(begun)
            begun = b""
        self._begun[stream] = begun


class StoredLogTail(LogTail):
    """The same of an attempt ("Flow/run/step/task/attempt") that runs elsewhere: its logs are read from the store."""

    def __init__(self, logs: LogStore, path: str) -> None:
        super().__init__(path)
        flow, run, step, task, attempt = path.split("/")
        self._logs = logs
        self._place = (flow, run, step, task, int(attempt))

    def _chunks(self, stream: str, everything: bool) -> Iterator[bytes]:
        while True:
            data = self._logs.read(*self._place, stream, self._offsets[stream], _CHUNK_BYTES)
            yield data
            if not data or not everything:
                return


def _shown(line: bytes) -> str:
    """A line as a terminal shows it in the end: a progress bar is what was written after its last carriage return."""
    return line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
