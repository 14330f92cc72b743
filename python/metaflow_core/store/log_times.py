"""When the lines of a log were written, as closely as whoever follows the log while it grows can tell.

No process stamps its lines: a task writes to a file as fast as it can, and whoever looks at it notes how long it was
when. That costs nothing where nothing is printed.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Any

from .logs import STREAMS

__all__ = ["LogTimes", "noted_of", "times_of_lines"]

_MOST = 256


class LogTimes:
    """Notes of one attempt: {stream: [[size of the log in bytes, seconds since 1970 when it was seen], ...]}."""

    def __init__(self) -> None:
        self._noted: dict[str, list[tuple[int, float]]] = {}

    def note(self, stream: str, size: int) -> None:
        noted = self._noted.setdefault(stream, [])
        if noted and noted[-1][0] >= size:
            return
        if len(noted) >= _MOST:
            # Half as exact from here on, rather than ever longer.
            noted[:] = noted[1::2]
        noted.append((size, round(time.time(), 2)))

    def look(self, folder: str) -> None:
        """Note how long the logs in this folder are."""
        for stream in STREAMS:
            try:
                size = os.stat(os.path.join(folder, f"{stream}.log")).st_size
            except OSError:
                continue
            if size:
                self.note(stream, size)

    def record(self) -> dict[str, Any]:
        """For the attempt's record: empty when it printed nothing."""
        if not self._noted:
            return {}
        return {"log_times": {stream: [list(pair) for pair in noted] for stream, noted in self._noted.items()}}


def times_of_lines(data: bytes, noted: Sequence[Sequence[float]]) -> list[float | None]:
    """For each line of a log, when it was first seen; None where nobody looked after it was written."""
    ends = [pair[0] for pair in noted]
    found: list[float | None] = []
    start = 0
    lines = data.split(b"\n")
    for line in lines[:-1] if lines[-1] == b"" else lines:
        place = bisect_right(ends, start)
        found.append(noted[place][1] if place < len(noted) else None)
        start += len(line) + 1
    return found


def noted_of(record: Mapping[str, Any] | None, stream: str) -> Sequence[Sequence[float]]:
    """What the record of an attempt knows of this log."""
    return ((record or {}).get("log_times") or {}).get(stream) or ()
