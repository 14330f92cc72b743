"""Logs: text of one task from any place on, or lines of many tasks."""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..errors import NotFound, UnknownOption
from ..ids import Pathspec
from ..nearest import did_you_mean
from ..store.log_times import noted_of, times_of_lines
from ..store.logs import STREAMS, origin_of
from .finding import Found, find
from .tasks import in_order_of_start, list_tasks, no_attempt

__all__ = ["check_stream", "read_lines", "read_log", "split_lines"]

Row = dict[str, Any]
Place = tuple[str, str, str, str, int]  # flow, run, step, task, attempt
_HOPS = 1000  # a clone of a clone of a clone: more than anybody resumes


def read_log(
    session: Any, pathspec: str, stream: str = "stdout", attempt: int | None = None,
    offset: int = 0, max_bytes: int | None = None,
) -> Row:
    """`next_offset` is where to go on reading; it never cuts a character in two while the task still writes."""
    check_stream(stream)
    found = find(session, pathspec, "task")
    number, place, record, _ = _place(session, found, attempt)
    return {**_read(session, found, place, record, stream, offset, max_bytes), "attempt": number}


def read_lines(
    session: Any, pathspec: str, streams: Iterable[str] = STREAMS, attempt: int | None = None, times: bool = False
) -> list[Row]:
    """Tasks in the order they started; of each, the `attempt`, by default its latest. With `times`, each line has its
    "time" in seconds since 1970, as far as it is known."""
    streams = list(streams)
    for stream in streams:
        check_stream(stream)
    found = find(session, pathspec, "run", "step", "task")
    lines = []
    for row in _tasks(session, found):
        task = Found(Pathspec(found.flow, found.run, row["step"], row["task"]), found.record, found.tags)
        number, place, record, written = _place(session, task, attempt)
        for stream in streams:
            text = _read(session, task, place, record, stream)["text"]
            about = {"step": row["step"], "task": row["task"], "attempt": number, "position": row["position"]}
            said = [{**about, "stream": stream, "line": line} for line in split_lines(text)[0]]
            if times and said:
                data = session.store.logs.read(*place, stream)
                for line, at in zip(said, times_of_lines(data, noted_of(written, stream))):
                    line["time"] = at
            lines += said
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
    return in_order_of_start(rows)


def _place(session: Any, found: Found, attempt: int | None) -> tuple[int, Place, Row | None, Row | None]:
    """The attempt that is meant, where its logs are, its record, and that of the attempt which wrote them."""
    attempts = session.store.tasks.read_attempts(found.flow, found.run, found.step, found.task)
    # A task that is just beginning has no attempt yet.
    number = max(attempts, default=0) if attempt is None else attempt
    if attempt is not None and number not in attempts:
        raise no_attempt(found, attempt, attempts)
    record = attempts.get(number)
    place: Place = (found.flow, found.run, found.step, found.task, number)
    now = record
    for _ in range(_HOPS):
        origin = origin_of(now) if now else None
        if origin is None:
            break
        place = (origin["flow"], origin["run"], origin["step"], origin["task"], origin["attempt"])
        now = _record(session, place)
    return number, place, record, now


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


def split_lines(text: str, ended: bool = True) -> tuple[list[str], str]:
    """The lines of a text, and what was begun of a next one; a text that ended has its last line, too."""
    lines = text.split("\n")
    begun = lines.pop()
    if begun and ended:
        lines.append(begun)
        begun = ""
    return [line[:-1] if line.endswith("\r") else line for line in lines], begun


def check_stream(stream: str) -> None:
    if stream not in STREAMS:
        raise UnknownOption(f"there is no log {stream!r}", hint=did_you_mean(stream, STREAMS))
