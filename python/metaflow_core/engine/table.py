"""What artifacts a task has: its own, on top of those it inherits.

Ten thousand splits of a foreach share one parent, so its artifacts are not copied into each of them. Up to
`FLAT` names a table is flat and its task record complete; above, the record names the task that has the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["ArtifactTable"]

FLAT = 64
DEEP = 8


class ArtifactTable:
    """Immutable: {name: ArtifactRecord}. `home` is the "step/task/attempt" whose record holds it."""

    __slots__ = ("own", "base", "home", "_depth")

    def __init__(self, own: Mapping[str, Any], base: ArtifactTable | None, home: str) -> None:
        self.own = own
        self.base = base
        self.home = home
        self._depth = 0 if base is None else base._depth + 1

    @classmethod
    def empty(cls) -> ArtifactTable:
        return cls({}, None, "")

    def extended(self, new: Mapping[str, Any], home: str) -> ArtifactTable:
        """This table with `new` on top, as the table of the task `home`."""
        if self.base is None and len(self.own) <= FLAT or self._depth >= DEEP:
            return ArtifactTable({**self.flat(), **new}, None, home)
        return ArtifactTable(new, self, home)

    @property
    def inherits(self) -> str | None:
        return None if self.base is None else self.base.home

    def get(self, name: str) -> Any:
        table: ArtifactTable | None = self
        while table is not None:
            if name in table.own:
                return table.own[name]
            table = table.base
        return None

    def layers(self) -> Iterator[Mapping[str, Any]]:
        """Topmost first."""
        table: ArtifactTable | None = self
        while table is not None:
            yield table.own
            table = table.base

    def flat(self) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for layer in reversed(list(self.layers())):
            merged.update(layer)
        return merged
