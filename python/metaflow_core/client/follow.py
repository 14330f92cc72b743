"""Logs while they are written, of a run, a step or a task, from whatever machine.

A look costs as much as there are tasks that still write; between looks the index wakes us when it can (PostgreSQL tells
every machine), or we look again soon.
"""
from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..errors import NotFound, StoreError
from ..store.liveness import shown_status
from ..store.logs import STREAMS
from .finding import find
from .logs import check_stream, read_log, split_lines
from .tasks import in_order_of_start, list_tasks

__all__ = ["LogFollower", "wait_for_run"]

Row = dict[str, Any]
Key = tuple[str, str, int]  # step, task, attempt
_LONGEST_WAIT_SECONDS = 1.0  # what nobody announces (a shared folder, a connection that was lost) is seen after so long


def wait_for_run(session: Any, pathspec: str, timeout_seconds: float) -> str:
    """The status of a run once it has ended, or as it is after so many seconds. Asks the datastore, so it goes on when
    the index is away."""
    found = find(session, pathspec, "run")
    until = time.monotonic() + timeout_seconds
    while True:
        status = shown_status(session.store.runs.read_status(found.flow, found.run))
        left = until - time.monotonic()
        if status != "running" or left <= 0:
            return status
        session.store.index.watch(found.flow, found.run, min(left, _LONGEST_WAIT_SECONDS))


class LogFollower:
    """Follows the logs at `pathspec`; each `advance` gives the lines that are new, whole lines only."""

    def __init__(self, session: Any, pathspec: str, streams: Iterable[str] = STREAMS):
        self._session = session
        self._streams = list(streams)
        for stream in self._streams:
            check_stream(stream)
        self._found = find(session, pathspec, "run", "step", "task")
        self._places: dict[Key, dict[str, int]] = {}  # where to go on in each log that is not at its end
        self._rest: dict[tuple[Key, str], str] = {}  # a line that was begun
        self._ended: set[Key] = set()
        self.status = "running"
        self.finished = False

    def advance(self, timeout_seconds: float) -> list[Row]:
        """Wait at most so long for lines, dicts of step, task, attempt, stream and line. None and `finished`: the
        end."""
        until = time.monotonic() + timeout_seconds
        index = self._session.store.index
        while not self.finished:
            lines = self._look()
            left = until - time.monotonic()
            if lines or self.finished or left <= 0:
                return lines
            index.watch(self._found.flow, self._found.run, min(left, _LONGEST_WAIT_SECONDS))
        return []

    def _look(self) -> list[Row]:
        # Before the logs: what is written until the end is then read in this look.
        self.status = shown_status(self._session.store.runs.read_status(self._found.flow, self._found.run))
        over = self.status != "running"
        self._note_attempts()
        lines: list[Row] = []
        for key in list(self._places):
            lines += self._read(key, over)
        self.finished = over and not self._places
        return lines

    def _note_attempts(self) -> None:
        found = self._found
        try:
            rows = in_order_of_start(list_tasks(self._session, "/".join(found.spec.parts[:3])))
            # A row is of the latest attempt; earlier ones may have failed before anybody looked.
            keys = [(row["step"], row["task"], n) for row in rows for n in range((row["attempt"] or 0) + 1)]
        except StoreError:
            # The index is away. The datastore knows as much, and takes longer to say it.
            keys = self._listed_attempts()
        for key in keys:
            if found.task in (None, key[1]) and key not in self._ended:
                self._places.setdefault(key, dict.fromkeys(self._streams, 0))

    def _listed_attempts(self) -> list[Key]:
        runs, (flow, run) = self._session.store.runs, self._found.spec.parts[:2]
        steps = [self._found.step] if self._found.step else runs.list_steps(flow, run)
        tasks = [(step, task) for step in steps for task in runs.list_tasks(flow, run, step)]
        return [
            (step, task, attempt)
            for step, task in sorted(tasks, key=lambda place: int(place[1]))
            for attempt in runs.list_attempts(flow, run, step, task)
        ]

    def _read(self, key: Key, over: bool) -> list[Row]:
        step, task, attempt = key
        pathspec = f"{self._found.run_pathspec}/{step}/{task}"
        lines: list[Row] = []
        at_end = True
        for stream in self._streams:
            try:
                told = read_log(self._session, pathspec, stream, attempt, offset=self._places[key][stream])
            except NotFound:  # its folder is a moment behind its row
                at_end = at_end and over
                continue
            self._places[key][stream] = told["next_offset"]
            ended = told["finished"] or over
            at_end = at_end and ended and told["next_offset"] >= told["size"] or over
            text = self._rest.pop((key, stream), "") + told["text"]
            whole, begun = split_lines(text, ended)
            if begun:
                self._rest[key, stream] = begun
            about = {"step": step, "task": task, "attempt": attempt, "stream": stream}
            lines += [{**about, "line": line} for line in whole]
        if at_end:
            del self._places[key]
            self._ended.add(key)
        return lines
