"""Logs: text of one task from any place on, or lines of many tasks."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import NotFound, UnknownOption
from ..ids import Pathspec
from ..nearest import did_you_mean
from ..store.logs import STREAMS, origin_of
from .finding import Found, find
from .tasks import list_tasks

__all__ = ["read_lines", "read_log"]

Row = dict[str, Any]
Place = tuple[str, str, str, str, int]  # flow, run, step, task, attempt
_HOPS = 1000  # a clone of a clone of a clone: more than anybody resumes


def read_log(
    session: Any, pathspec: str, stream: str = "stdout", attempt: int | None = None,
    offset: int = 0, max_bytes: int | None = None,
) -> Row:
    """`next_offset` is where to go on reading; it never cuts a character in two while the task still writes."""
    _check_stream(stream)
    found = find(session, pathspec, "task")
    number, place, record = _place(session, found, attempt)
    return {**_read(session, found, place, record, stream, offset, max_bytes), "attempt": number}


def read_lines(
    session: Any, pathspec: str, streams: Iterable[str] = STREAMS, attempt: int | None = None
) -> list[Row]:
    """Tasks in the order they started; of each, the `attempt`, by default its latest."""
    streams = list(streams)
    for stream in streams:
        _check_stream(stream)
    found = find(session, pathspec, "run", "step", "task")
    lines = []
    for row in _tasks(session, found):
        task = Found(Pathspec(found.flow, found.run, row["step"], row["task"]), found.record, found.tags)
        number, place, record = _place(session, task, attempt)
        for stream in streams:
            text = _read(session, task, place, record, stream)["text"]
            about = {"step": row["step"], "task": row["task"], "attempt": number, "position": row["position"]}
            lines += [{**about, "stream": stream, "line": line} for line in _lines(text)]
    return lines


def _read(
    session: Any, found: Found, place: Place, record: Row | None, stream: str,
    offset: int = 0, max_bytes: int | None = None,
) -> Row:
    size = session.store.logs.size(*place, stream)
    data = session.store.logs.read(*place, stream, offset=offset, max_bytes=max_bytes) if size > offset else b""
    at_end = record is not None and offset + len(data) >= size
    # A character that no read can hold whole must not stop the reader for ever.
    kept = len(data) if at_end else _whole_characters(data) or (len(data) if offset + len(data) < size else 0)
    return {
        "text": _text(data[:kept]), "offset": offset, "next_offset": offset + kept, "size": size,
        "finished": record is not None, "stream": stream, "pathspec": str(found.spec),
        "origin": "/".join(map(str, place[:4])) if place[:2] != (found.flow, found.run) else None,
    }


def _tasks(session: Any, found: Found) -> list[Row]:
    rows = list_tasks(session, "/".join(found.spec.parts[:3]))
    if found.task is not None:
        return [row for row in rows if row["task"] == found.task]
    return sorted(rows, key=lambda row: (row["started_at"] is None, row["started_at"] or 0.0))


def _place(session: Any, found: Found, attempt: int | None) -> tuple[int, Place, Row | None]:
    """The attempt that is meant, where its logs are, and its record."""
    attempts = session.store.tasks.read_attempts(found.flow, found.run, found.step, found.task)
    number = max(attempts) if attempt is None else attempt
    if number not in attempts:
        known = ", ".join(map(str, attempts))
        raise NotFound(f"attempt {attempt} of {found.spec} does not exist; there are {known}")
    record = attempts[number]
    place: Place = (found.flow, found.run, found.step, found.task, number)
    now = record
    for _ in range(_HOPS):
        origin = origin_of(now) if now else None
        if origin is None:
            break
        place = (origin["flow"], origin["run"], origin["step"], origin["task"], origin["attempt"])
        now = _record(session, place)
    return number, place, record


def _record(session: Any, place: Place) -> Row | None:
    try:
        return session.store.tasks.read_task(*place)
    except NotFound:
        return None  # the origin was deleted: its logs are gone, the clone is not


def _whole_characters(data: bytes) -> int:
    """How many of these bytes are whole UTF-8 characters, if a cut one can only be at the end."""
    for back in range(1, min(4, len(data)) + 1):
        byte = data[-back]
        if byte < 0x80:
            break
        if byte >= 0xC0:  # the first byte of a character of 2 to 4 bytes
            length = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            return len(data) - back if back < length else len(data)
    return len(data)


def _text(data: bytes) -> str:
    # R's strings cannot hold NUL, and a log may hold anything.
    return data.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _lines(text: str) -> list[str]:
    lines = text.replace("\r\n", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _check_stream(stream: str) -> None:
    if stream not in STREAMS:
        raise UnknownOption(f"there is no log {stream!r}", hint=did_you_mean(stream, STREAMS))
