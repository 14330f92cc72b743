"""Python's side of R values that have no plain Python type of their own.

Lists, numbers, texts, dates stay what they are wherever writing them gives the same R value again. What follows is for
the rest; each is a list, a dict, a datetime ... with what R needs to know besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any

__all__ = ["Factor", "Integer64", "NamedVector", "RDuration", "RList", "RTime", "RVector"]


class RVector(list):
    """An atomic vector that is empty, has one element or only missing ones, repeated names, or a class of R's own.

    `kind` is "logical", "integer", "double", "character", "complex", "Date", "POSIXct", "difftime" or "integer64";
    `names` has one text for each element, or is None; `tzone` and `units` are those of times and durations."""

    def __init__(
        self,
        values: Iterable[Any] = (),
        kind: str = "logical",
        names: Sequence[str | None] | None = None,
        tzone: str | None = None,
        units: str = "secs",
    ) -> None:
        super().__init__(values)
        self.kind = kind
        self.names = names
        self.tzone = tzone
        self.units = units


class RList(list):
    """A list of R: also of numbers only, which would else be a vector. `names` may repeat, unlike those of a dict."""

    def __init__(self, values: Iterable[Any] = (), names: Sequence[str | None] | None = None) -> None:
        super().__init__(values)
        self.names = names


class NamedVector(dict):
    """A vector with names, c(a = 1, b = 2), which is not the list(a = 1, b = 2) that a dict is."""

    def __init__(self, values: Any = (), kind: str = "double") -> None:
        super().__init__(values)
        self.kind = kind


class Factor(list):
    """Texts (None where missing) out of `levels`."""

    def __init__(
        self, values: Iterable[str | None], levels: Sequence[str] | None = None, ordered: bool = False
    ) -> None:
        super().__init__(values)
        self.levels = list(levels) if levels is not None else sorted({value for value in self if value is not None})
        self.ordered = ordered

    @property
    def codes(self) -> list[int | None]:
        """Places among the levels, from 0; None where missing."""
        places = {level: place for place, level in enumerate(self.levels)}
        return [None if value is None else places[value] for value in self]


class Integer64(int):
    """A number of the R package bit64."""


class RTime(datetime):
    """A moment as R has it: `seconds` since 1970 with more digits than a datetime keeps, and `tzone` as R names it
    (None or "" for the time zone of whoever looks)."""

    seconds: float | None = None
    tzone: str | None = None

    @classmethod
    def of(cls, moment: datetime, seconds: float, tzone: str | None) -> RTime:
        zone: tzinfo | None = moment.tzinfo
        made = cls(
            moment.year,
            moment.month,
            moment.day,
            moment.hour,
            moment.minute,
            moment.second,
            moment.microsecond,
            zone,
            fold=moment.fold,
        )
        made.seconds = seconds
        made.tzone = tzone
        return made


class RDuration(timedelta):
    """A difftime of R: `value` in its own `units` ("secs", "mins", "hours", "days", "weeks")."""

    value: float | None = None
    units: str = "secs"

    @classmethod
    def of(cls, value: float, units: str, seconds: float) -> RDuration:
        made = cls(seconds=seconds)
        made.value = value
        made.units = units
        return made
