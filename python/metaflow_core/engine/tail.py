"""Follows the logs of running tasks, so that what they print is shown while they run."""

from __future__ import annotations

import os

__all__ = ["LogTail"]

_STREAMS = ("stdout", "stderr")
_MOST_BYTES = 1 << 20


class LogTail:
    """New complete lines of the logs of one attempt. `folder` is where the worker writes them."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._offsets = dict.fromkeys(_STREAMS, 0)

    def read(self, everything: bool = False) -> list[tuple[str, list[str]]]:
        """[(stream, lines)] since the last call; `everything`: also a last line without its end."""
        found = []
        for stream in _STREAMS:
            lines = self._read(stream, everything)
            if lines:
                found.append((stream, lines))
        return found

    def _read(self, stream: str, everything: bool) -> list[str]:
        path = os.path.join(self._folder, f"{stream}.log")
        offset = self._offsets[stream]
        try:
            if os.path.getsize(path) <= offset:
                return []
            with open(path, "rb") as file:
                file.seek(offset)
                data = file.read(_MOST_BYTES)
        except OSError:
            return []
        if not everything and len(data) < _MOST_BYTES:
            data = data[: data.rfind(b"\n") + 1]
        self._offsets[stream] = offset + len(data)
        return data.decode(errors="replace").splitlines()
