"""Following: logs while they are written, and the end of a run, driven by R in slices as runs are.

`start` gives a number to hand back to `advance` until that says "finished"; `stop` lets go of one before.
"""

from __future__ import annotations

import itertools
from typing import Any

from ..client.follow import LogFollower, wait_for_run
from .browse import session_of_view

__all__ = ["METHODS"]

Row = dict[str, Any]
_COLUMNS = ("step", "task", "attempt", "stream", "line")
_followers: dict[int, LogFollower] = {}
_numbers = itertools.count(1)


def start(view: Row, pathspec: str, streams: list[str]) -> int:
    number = next(_numbers)
    _followers[number] = LogFollower(session_of_view(view), pathspec, streams)
    return number


def advance(follower: int, timeout: float) -> Row:
    """{"lines": columns, "finished", "status" of the run}; waits at most `timeout` seconds for a line."""
    following = _followers[follower]
    rows = following.advance(timeout)
    finished = following.finished
    if finished:
        stop(follower)
    lines = {name: [row[name] for row in rows] for name in _COLUMNS}
    return {"lines": lines, "finished": finished, "status": following.status}


def stop(follower: int) -> None:
    _followers.pop(follower, None)


def wait(view: Row, pathspec: str, timeout: float) -> str:
    """The status of a run once it has ended, or as it is after `timeout` seconds."""
    return wait_for_run(session_of_view(view), pathspec, timeout)


METHODS = {"start": start, "advance": advance, "stop": stop, "wait": wait}
