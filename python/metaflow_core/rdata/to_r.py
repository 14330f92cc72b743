"""From Python to R: the R value of a Python value.

`convert()` also tells whether Python reads the very same value back from the R value; where not (a tuple, a list
of one, a set) the stored artifact says besides what it was (artifact.py). What has no meaning in R is kept pickled, in
an R object of class metaflow_python_object.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta, timezone
from pathlib import PurePath
from typing import Any, Callable

from . import build
from .missing import NA_INTEGER_BITS, NA_REAL_BITS, NAType
from .node import Node
from .opaque import RObject
from .values import Factor, Integer64, NamedVector, RDuration, RList, RTime, RVector

__all__ = ["Conversion", "common_kind", "convert"]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LARGEST = 2**53
_SCALARS: dict[type, str] = {
    bool: "logical",
    int: "integer",
    float: "double",
    str: "character",
    complex: "complex",
    date: "Date",
    datetime: "POSIXct",
    RTime: "POSIXct",
    timedelta: "difftime",
    RDuration: "difftime",
}


class Conversion:
    """Makes nodes; `exact` is False as soon as something would come back to Python as another type."""

    def __init__(self) -> None:
        self.exact = True

    def node(self, value: Any) -> Node:
        made = self._known(value)
        return self._pickled(value) if made is None else made

    def _known(self, value: Any) -> Node | None:
        if value is None:
            return build.NULL
        kind = type(value)
        rule = _RULES.get(kind)
        if rule is not None:
            return rule(self, value)
        library = (kind.__module__ or "").partition(".")[0]
        if library == "numpy" or _is_array(value):
            from .arrays import from_numpy

            return from_numpy(self, value)
        if library in ("pandas", "pyarrow", "polars"):
            from .tables import from_table

            return from_table(self, value)
        for parent in (
            Mapping,
            datetime,
            date,
            timedelta,
            PurePath,
            tuple,
            set,
            frozenset,
            range,
            bytearray,
            memoryview,
        ):
            if isinstance(value, parent):
                return self._inexact(parent, value)
        return None

    def _inexact(self, parent: type, value: Any) -> Node | None:
        """Something with a meaning in R which is not quite what Python has."""
        import enum

        if isinstance(value, enum.Enum):
            return None
        self.exact = False
        if parent is Mapping:
            return self.mapping(value)
        if parent is PurePath:
            return self.vector("character", [str(value)])
        if parent in (bytearray, memoryview):
            return build.raw_bytes(bytes(value))
        if parent is tuple and hasattr(value, "_fields"):
            return self.mapping(dict(zip(value._fields, value)))
        if parent in (datetime, date, timedelta):
            return self.vector({datetime: "POSIXct", date: "Date", timedelta: "difftime"}[parent], [value])
        return self.sequence(list(value))

    def _pickled(self, value: Any) -> Node:
        from .pickled import pickled

        return pickled(value)

    # -- scalars

    def scalar(self, value: Any) -> Node | None:
        kind = _kind_of(value)
        if kind == "integer" and not _is_integer(value):
            if not _is_double(value):
                return None
            self.exact = False
            kind = "double"
        if kind == "character" and not _is_text(value):
            return None
        return self.vector(kind, [value])

    # -- sequences

    def list(self, values: list) -> Node | None:
        if len(values) == 1:
            self.exact = False  # R has no numbers that are not vectors: a list of one is read as its element
        return self.sequence(values)

    def sequence(self, values: list) -> Node:
        kind = common_kind(values) if values else None
        if kind is None:
            return build.generic([self.element(value) for value in values])
        if kind == "double" and any(type(value) is int for value in values):
            self.exact = False
        return self.vector(kind, values)

    def element(self, value: Any) -> Node:
        return self.node(value)

    def vector(self, kind: str, values: Sequence[Any], tzone: str | None = None, units: str = "secs") -> Node:
        if kind == "logical":
            return build.logicals(values)
        if kind == "integer":
            return build.integers(values)
        if kind == "character":
            return build.character(values)
        if kind == "complex":
            missing = complex(_NA_REAL, _NA_REAL)
            return build.complexes([missing if value is None else value for value in values])
        if kind == "double":
            return _doubles(values)
        if kind == "integer64":
            return _large(values)
        return self.timed(kind, values, tzone, units)

    def timed(self, kind: str, values: Sequence[Any], tzone: str | None, units: str) -> Node:
        first = next((value for value in values if value is not None), None)
        if kind == "Date":
            node = _doubles([None if value is None else value.toordinal() - _EPOCH_DAY for value in values])
            return build.attributed(node, {"class": build.character(["Date"])})
        if kind == "difftime":
            units = getattr(first, "units", units)
            numbers = [None if value is None else _in_units(value, units) for value in values]
            self._compare(values, numbers, timedelta(0))
            attributes = {"class": build.character(["difftime"]), "units": build.character([units])}
            return build.attributed(_doubles(numbers), attributes)
        if isinstance(first, RTime) and first.seconds is not None:
            tzone = first.tzone
        elif first is not None:
            tzone = self._zone_name(first)
        attributes = {"class": build.character(["POSIXct", "POSIXt"])}
        if tzone is not None:
            attributes["tzone"] = build.character([tzone])
        numbers = [None if value is None else _seconds(value) for value in values]
        self._compare(values, numbers, _EPOCH)
        return build.attributed(_doubles(numbers), attributes)

    def _compare(self, values: Sequence[Any], numbers: Sequence[float | None], zero: Any) -> None:
        """A double does not tell microseconds apart in the far future."""
        for value, number in zip(values, numbers):
            if (
                type(value) in (datetime, timedelta)
                and number is not None
                and (type(value) is timedelta or value.tzinfo is not None)
                and zero + timedelta(seconds=number) != value
            ):
                self.exact = False

    def _zone_name(self, moment: datetime) -> str:
        if moment.tzinfo is timezone.utc:
            return "UTC"
        name = getattr(moment.tzinfo, "key", None)
        if name in (None, "GMT"):
            # No zone at all, or an offset without a name: R shows the same moment in UTC.
            self.exact = False
            return "UTC"
        return str(name)

    # -- dicts, and what was R's before

    def mapping(self, value: Mapping) -> Node | None:
        names = [key if type(key) is str else str(key) for key in value]
        if not all(isinstance(key, (str, int, float)) for key in value):
            return None
        if any(type(key) is not str for key in value) or "" in names:
            self.exact = False
        if len(set(names)) != len(names) or not all(map(_is_text, names)):
            return None
        elements = [self.element(element) for element in value.values()]
        return build.attributed(build.generic(elements), {"names": build.character(names)})

    def named_vector(self, value: NamedVector) -> Node | None:
        if not _fits(value.kind, value.values()):
            return self.mapping(value)
        node = self.vector(value.kind, list(value.values()))
        return build.attributed(node, {"names": build.character(value)})

    def r_vector(self, value: RVector) -> Node:
        if not _fits(value.kind, value):
            return self.sequence(list(value))
        node = self.vector(value.kind, list(value), value.tzone, value.units)
        return self._renamed(node, value)

    def r_list(self, value: RList) -> Node:
        return self._renamed(build.generic([self.element(element) for element in value]), value)

    def _renamed(self, node: Node, value: Any) -> Node:
        if value.names is None or len(value.names) != len(value):
            return node
        return build.attributed(node, {"names": build.character(value.names)})

    def factor(self, value: Factor) -> Node:
        if not set(value) <= {None, *value.levels}:
            return self.sequence(list(value))
        codes = [None if code is None else code + 1 for code in value.codes]
        classes = ["ordered", "factor"] if value.ordered else ["factor"]
        return build.attributed(
            build.integers(codes), {"levels": build.character(value.levels), "class": build.character(classes)}
        )

    def missing(self, value: NAType) -> Node:
        return self.vector(value.kind, [None])

    def data_frame(self, value: Any) -> Node:
        return value.node


def convert(value: Any) -> tuple[Node, bool]:
    """The node of a value, and whether Python reads the same value from it."""
    conversion = Conversion()
    try:
        return conversion.node(value), conversion.exact
    except RecursionError:
        from .pickled import pickled

        return pickled(value), True


def common_kind(values: Sequence[Any]) -> str | None:
    """The kind of vector that these scalars make together; None when only a list can hold them."""
    kinds = {_kind_of(value) for value in values if value is not None}
    if not kinds:
        return "logical" if values else None
    if kinds == {"integer"}:
        if all(value is None or _is_integer(value) for value in values):
            return "integer"
        kinds = {"integer", "double"}
    if kinds == {"integer", "double"}:
        return "double" if all(value is None or _is_double(value) for value in values) else None
    if len(kinds) > 1 or None in kinds:
        return None
    (kind,) = kinds
    if kind == "character" and not all(value is None or _is_text(value) for value in values):
        return None
    if kind == "POSIXct" and len({_zone_key(value) for value in values if value is not None}) > 1:
        return None
    if kind == "difftime" and len({getattr(value, "units", "secs") for value in values if value is not None}) > 1:
        return None
    return kind


def _is_array(value: Any) -> bool:
    """Also of a class derived from NumPy's, as ours that has dimnames."""
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def _kind_of(value: Any) -> str | None:
    return _SCALARS.get(type(value))


def _fits(kind: str, values: Any) -> bool:
    """Are these still elements of a vector of this kind? The user may have changed it."""
    values = [value for value in values if value is not None]
    if kind == "integer64":
        return all(isinstance(value, int) and -(2**63) < value < 2**63 for value in values)
    if kind == "double":
        return all(type(value) is float or type(value) is int and _is_double(value) for value in values)
    return not values or common_kind(values) == kind


def _is_integer(value: int) -> bool:
    return NA_INTEGER_BITS < value < 2**31


def _is_double(value: Any) -> bool:
    return type(value) is float or -_LARGEST <= value <= _LARGEST


def _is_text(value: str) -> bool:
    """R has no NUL in a text, and what Python cannot encode is no text."""
    if "\0" in value:
        return False
    if value.isascii():
        return True
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _zone_key(moment: datetime) -> Any:
    if isinstance(moment, RTime) and moment.seconds is not None:
        return ("R", moment.tzone)
    return getattr(moment.tzinfo, "key", None) or str(moment.tzinfo)


def _seconds(moment: datetime) -> float:
    if isinstance(moment, RTime) and moment.seconds is not None:
        return moment.seconds
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) / timedelta(seconds=1)


def _in_units(duration: timedelta, units: str) -> float:
    from .from_r import UNIT_SECONDS

    if isinstance(duration, RDuration) and duration.value is not None and duration.units == units:
        return duration.value
    return duration / timedelta(seconds=1) / UNIT_SECONDS[units]


def _na_real() -> float:
    import struct

    return struct.unpack("=d", NA_REAL_BITS)[0]


_NA_REAL = _na_real()


def _doubles(values: Sequence[Any]) -> Node:
    from array import array

    if None not in values:
        return build.numeric(array("d", values))
    numbers = array("d", [0.0 if value is None else value for value in values])
    view = memoryview(numbers).cast("B")
    for place, value in enumerate(values):
        if value is None:
            view[place * 8 : place * 8 + 8] = NA_REAL_BITS
    return build.numeric(numbers)


def _large(values: Sequence[Any]) -> Node:
    from array import array

    numbers = array("d")
    numbers.frombytes(array("q", [-(2**63) if value is None else value for value in values]).tobytes())
    return build.attributed(build.numeric(numbers), {"class": build.character(["integer64"])})


def _frame_class() -> type:
    from .frame import RDataFrame

    return RDataFrame


_RULES: dict[type, Callable[[Conversion, Any], Node | None]] = {
    **dict.fromkeys(_SCALARS, Conversion.scalar),
    Integer64: lambda conversion, value: conversion.vector("integer64", [value]),
    bytes: lambda conversion, value: build.raw_bytes(value),
    list: Conversion.list,
    dict: Conversion.mapping,
    NAType: Conversion.missing,
    NamedVector: Conversion.named_vector,
    RVector: Conversion.r_vector,
    RList: Conversion.r_list,
    Factor: Conversion.factor,
    RObject: lambda conversion, value: value.node,
    _frame_class(): Conversion.data_frame,
}
