"""Follows the logs of running tasks, so that what they print is shown while they run."""

from __future__ import annotations

import os

__all__ = ["LogTail"]

_STREAMS = ("stdout", "stderr")
_CHUNK_BYTES = 1 << 20


class LogTail:
    """New complete lines of the logs of one attempt. `folder` is where the worker writes them."""

    def __init__(self, folder: str) -> None:
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
        path = os.path.join(self._folder, f"{stream}.log")
        lines: list[bytes] = []
        try:
            if os.path.getsize(path) > self._offsets[stream]:
                with open(path, "rb") as file:
                    file.seek(self._offsets[stream])
                    while self._take(stream, file.read(_CHUNK_BYTES), lines) and everything:
                        pass
        except OSError:
            pass
        if everything and self._begun[stream]:
            lines.append(self._begun[stream])
            self._begun[stream] = b""
        return [_shown(line) for line in lines]

    def _take(self, stream: str, data: bytes, lines: list[bytes]) -> bool:
        """Adds the lines that `data` completes; False at the end of the file."""
        self._offsets[stream] += len(data)
        *complete, begun = (self._begun[stream] + data).split(b"\n")
        lines.extend(complete)
        if len(begun) > _CHUNK_BYTES:
            # Nobody reads a line that long; it is shown in pieces rather than kept in memory.
            lines.append(begun)
            begun = b""
        self._begun[stream] = begun
        return bool(data)


def _shown(line: bytes) -> str:
    """A line as a terminal shows it in the end: a progress bar is what was written after its last carriage return."""
    return line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
