"""What one task knows: the stored bytes it may read, what was read of them, and what the step assigned."""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from typing import Any, Callable

from ..rdata.artifact import decode, encode
from ..rdata.errors import UnreadableR
from .failure import WorkerError
from .trace import Trace

__all__ = ["TaskState"]

#: Values of these types can be changed in place; of all others, only those that were pickled.
_UNCHANGEABLE = (bool, int, float, str, bytes, complex, tuple, frozenset, type(None))
_FILES = {"-1": "text", "-2": "bytes"}
_SMALL_BYTES = 1 << 16
_TRIES = 10


class TaskState:
    """`refs`: {name: "<blob> <offset> <size> <digest>"}; `values`: what was loaded or assigned; `assigned`: names whose
    bytes must be written when the step is done; `carried`: references that a join took over from an input."""

    def __init__(
        self, order: Mapping[str, Any], blobs: str, parameters: Mapping[str, str], facts: Mapping[str, Any]
    ) -> None:
        self.blobs = blobs
        self.parameters = dict(parameters)
        self.refs = {**self.parameters, **(order.get("artifacts") or {})}
        self.inherited = dict(order.get("artifacts") or {})
        self.values: dict[str, Any] = {}
        self.assigned: dict[str, None] = {}
        self.carried: dict[str, str] = {}
        self.stack = order.get("stack") or []
        self.inputs = order.get("inputs") or {"named": False, "base": {}, "items": []}
        self.facts = facts
        self._notes: dict[str, None] = {}
        #: Notes what a memoised task looks at; None for other tasks.
        self.trace: Trace | None = None
        #: Brings blobs that are not on this machine, and checks the copies that are; None where all are here.
        self.ask: Callable[[list[str]], None] | None = None
        self._asked: set[str] = set()

    def note(self, what: str) -> None:
        """The step looked at this: "self:x", "inputs:x", "input" or "stack"."""
        self._notes[what] = None
        self.look(what)

    def look(self, what: str) -> None:
        """For the memory of memoised steps only: it looked at this, or whether it is there."""
        if self.trace is not None:
            self.trace.note(what)

    def look_at_task(self, why: str) -> None:
        """It looked at what no other task has."""
        if self.trace is not None:
            self.trace.volatile(why)

    @property
    def used(self) -> list[str]:
        return sorted(self._notes)

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys([*self.refs, *self.assigned]))

    def get(self, name: str) -> Any:
        """KeyError when there is none."""
        if name not in self.carried:
            self.note(f"self:{name}")
        if name not in self.values:
            self.values[name] = self.read(self.refs[name], f"artifact '{name}'")
        return self.values[name]

    def put(self, name: str, value: Any) -> None:
        self.values[name] = value
        self.assigned[name] = None
        self.carried.pop(name, None)

    def carry(self, name: str, ref: str) -> None:
        """Take over stored bytes under a name, without reading them."""
        self.refs[name] = ref
        self.carried[name] = ref
        self.assigned.pop(name, None)
        self.values.pop(name, None)

    def forget_all(self) -> None:
        """As if the step had done nothing."""
        self.values.clear()
        self.assigned.clear()
        self.carried.clear()
        self.refs = {**self.parameters, **self.inherited}

    def data(self, ref: str, what: str) -> memoryview:
        """The stored bytes behind a reference."""
        blob, offset, size, _digest = ref.split(" ")
        path = os.path.join(self.blobs, blob[:2], blob)
        for tries_left in range(_TRIES if self.ask is not None else 1, 0, -1):
            if self.ask is not None and (blob not in self._asked or not os.path.exists(path)):
                self.ask([blob])
                self._asked.add(blob)
            try:
                return _content(path, int(float(offset)), int(float(size)))
            except OSError as problem:
                if tries_left > 1:
                    continue  # a copy can be removed between our look and our reading, to make room for others
                raise WorkerError(
                    f"The stored bytes of {what} are missing (blob {blob}).",
                    hint="The datastore was changed or is incomplete; check its root and permissions.",
                ) from problem
        raise AssertionError("not reached")

    def read(self, ref: str, what: str) -> Any:
        offset = ref.split(" ")[1]
        try:
            if offset in _FILES:
                # An included file (R/include-file.R): its bytes are the blob.
                content = bytes(self.data(ref.replace(f" {offset} ", " 0 ", 1), what))
                return content.decode("utf-8") if _FILES[offset] == "text" else content
            return decode(self.data(ref, what))
        except UnreadableR as problem:
            raise UnreadableR(f"{what} cannot be read: {problem.message}", hint=problem.hint) from problem

    def note_changes(self) -> None:
        """A list or table that the step changed in place, without assigning it, is kept as if it had been assigned.
        Parameters are what they are."""
        for name, value in list(self.values.items()):
            if (
                name in self.assigned
                or name in self.parameters
                or isinstance(value, _UNCHANGEABLE)
                or name not in self.refs
            ):
                continue
            stored = self.read(self.refs[name], f"artifact '{name}'")
            if _bytes_of(value) != _bytes_of(stored):
                self.assigned[name] = None
                self.carried.pop(name, None)


def _content(path: str, offset: int, size: int) -> memoryview:
    with open(path, "rb") as file:
        if size <= _SMALL_BYTES:
            file.seek(offset)
            return memoryview(file.read(size))
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[offset : offset + size]


def _bytes_of(value: Any) -> bytes | None:
    return b"".join(bytes(piece) for piece in encode(value).pieces)
