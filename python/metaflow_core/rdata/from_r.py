"""From R to Python: what each R value is in Python.

    NULL                                   None
    one TRUE, 1L, 1, "a", 1i               bool, int, float, str, complex; a missing one is NA
    vectors of several                     list, missing elements are None
    vectors with names                     NamedVector, a dict; with repeated names RVector, a list
    raw                                    bytes
    list; list with names                  list; dict (RList, a list, when names repeat or all elements are alike)
    factor                                 Factor, a list of texts
    Date, POSIXct, difftime                date, datetime (aware), timedelta
    data.frame, tibble, data.table         RDataFrame
    matrix and array                       numpy array where numpy is installed
    anything else                          RObject

A type is chosen so that writing the value (to_r.py) gives the identical R object again.
"""

from __future__ import annotations

import math
from array import array
from datetime import date, datetime, timedelta, timezone
from typing import Any

from . import node as r
from .altrep import plain_vector
from .missing import NA_INTEGER_BITS, NAType, has_na_real, is_na_real
from .node import Node
from .opaque import RObject
from .values import Factor, Integer64, NamedVector, RDuration, RList, RTime, RVector

__all__ = ["UNIT_SECONDS", "column_values", "python_value"]

_KINDS = {r.LOGICAL: "logical", r.INTEGER: "integer", r.DOUBLE: "double", r.COMPLEX: "complex", r.STRING: "character"}
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
UNIT_SECONDS = {"secs": 1, "mins": 60, "hours": 3600, "days": 86400, "weeks": 604800}


def python_value(node: Node) -> Any:
    node = plain_vector(node)
    if node.is_null:
        return None
    names = node.attribute_names()
    if node.type in _KINDS and not node.is_s4:
        if not names:
            return _plain(_KINDS[node.type], _elements(node))
        if names == ("names",) and not node.flags & r.IS_OBJECT:
            return _named(_KINDS[node.type], _elements(node), node)
        return _with_class(node, set(names))
    if node.type == r.RAW and not names:
        return bytes(node.value)
    if node.type == r.LIST and not node.is_s4:
        return _list(node, names)
    return RObject(node)


def column_values(node: Node) -> list[Any]:
    """The elements of a column of a data frame, always as a list."""
    node = plain_vector(node)
    value = _with_class(node, set(node.attribute_names())) if node.attributes is not None else None
    if isinstance(value, list):
        return value
    if value is not None and not isinstance(value, RObject) and node.length == 1 and not isinstance(value, NAType):
        return [value]
    if node.type in _KINDS:
        return _elements(node)
    if node.type == r.RAW:
        return list(bytes(node.value))
    if node.type == r.LIST:
        return [python_value(element) for element in node.value]
    raise TypeError(f"a column of type {r.TYPE_NAMES.get(node.type)} has no elements")


# -- vectors


def _elements(node: Node) -> list[Any]:
    if node.type == r.STRING:
        return node.texts()
    values = node.numbers()
    if node.type == r.COMPLEX:
        return [
            None if is_na_real(values[i]) or is_na_real(values[i + 1]) else complex(values[i], values[i + 1])
            for i in range(0, len(values), 2)
        ]
    if node.type == r.DOUBLE:
        if has_na_real(values, node.value):
            return [None if is_na_real(value) else value for value in values]
        return values.tolist()
    if node.type == r.LOGICAL:
        return [None if value == NA_INTEGER_BITS else value != 0 for value in values]
    found = values.tolist()
    if found and min(found) == NA_INTEGER_BITS:
        return [None if value == NA_INTEGER_BITS else value for value in found]
    return found


def _plain(kind: str, values: list[Any]) -> Any:
    if len(values) == 1:
        if values[0] is not None:
            return values[0]
        return NAType(kind) if kind != "complex" else RVector(values, kind)
    if kind == "logical":
        return values if values else RVector(values, kind)
    return values if any(value is not None for value in values) else RVector(values, kind)


def _named(kind: str, values: list[Any], node: Node) -> Any:
    names = node.attribute("names").texts()  # type: ignore[union-attr]
    if _are_keys(names):
        return NamedVector(zip(names, values), kind)
    return RVector(values, kind, names)


def _are_keys(names: list[str | None]) -> bool:
    return None not in names and "" not in names and len(set(names)) == len(names)


# -- vectors with a class


def _with_class(node: Node, attributes: set[str]) -> Any:
    classes = node.classes()
    value = None
    if "dim" in attributes and not classes and attributes <= {"dim", "dimnames"}:
        from .arrays import array_value

        value = array_value(node)
    elif "levels" in attributes and attributes == {"levels", "class"} and node.type == r.INTEGER:
        value = _factor(node, classes)
    elif classes == ["Date"] and attributes == {"class"} and node.type == r.DOUBLE:
        value = _dates(node)
    elif classes == ["POSIXct", "POSIXt"] and attributes <= {"class", "tzone"} and node.type == r.DOUBLE:
        value = _moments(node)
    elif classes == ["difftime"] and attributes == {"class", "units"} and node.type == r.DOUBLE:
        value = _durations(node)
    elif classes == ["integer64"] and attributes == {"class"} and node.type == r.DOUBLE:
        value = _large(node)
    return RObject(node) if value is None else value


def _factor(node: Node, classes: list[str]) -> Factor | None:
    levels = node.attribute("levels")
    if classes not in (["factor"], ["ordered", "factor"]) or levels is None or levels.type != r.STRING:
        return None
    texts = levels.texts()
    if None in texts or levels.attributes is not None or len(set(texts)) != len(texts):
        return None
    values = [None if code == NA_INTEGER_BITS else texts[code - 1] for code in node.numbers()]
    return Factor(values, texts, ordered=len(classes) == 2)


def _dates(node: Node) -> Any:
    values: list[date | None] = []
    for days in node.numbers():
        if is_na_real(days):
            values.append(None)
        elif math.isfinite(days) and days == int(days) and 1 <= days + _EPOCH_DAY <= date.max.toordinal():
            values.append(date.fromordinal(int(days) + _EPOCH_DAY))
        else:
            return None
    return _one_or_many("Date", values)


def _one_or_many(kind: str, values: list[Any], **more: Any) -> Any:
    if len(values) == 1 and values[0] is not None:
        return values[0]
    if any(value is not None for value in values) and not more:
        return values
    return RVector(values, kind, **more)


def _moments(node: Node) -> Any:
    tzone = node.attribute("tzone")
    name = None
    if tzone is not None:
        if tzone.type != r.STRING or tzone.length != 1 or tzone.attributes is not None:
            return None
        name = tzone.text()
    zone = _zone(name)
    values: list[Any] = []
    exact = bool(name) and zone is not None
    for seconds in node.numbers():
        if is_na_real(seconds):
            values.append(None)
            continue
        if not math.isfinite(seconds):
            return None
        try:
            moment = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone or timezone.utc)
        except (OverflowError, ValueError):
            return None
        if exact and (moment - _EPOCH) / timedelta(seconds=1) == seconds:
            values.append(moment)
        else:
            values.append(RTime.of(moment, seconds, name))
    if all(value is None or type(value) is datetime for value in values):
        return (
            _one_or_many("POSIXct", values)
            if values != [None] * len(values)
            else RVector(values, "POSIXct", tzone=name)
        )
    return values[0] if len(values) == 1 else RVector(values, "POSIXct", tzone=name)


def _zone(name: str | None) -> Any:
    """The time zone that R calls so; None when it is not known here, or nobody said."""
    if not name:
        return None
    if name in ("UTC", "GMT"):
        return timezone.utc if name == "UTC" else None
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None


def _durations(node: Node) -> Any:
    found = node.attribute("units")
    if found is None or found.type != r.STRING or found.length != 1 or found.text() not in UNIT_SECONDS:
        return None
    units = found.text()
    values: list[Any] = []
    for value in node.numbers():
        if is_na_real(value):
            values.append(None)
            continue
        try:
            duration: timedelta = RDuration.of(value, units, value * UNIT_SECONDS[units])
        except (OverflowError, ValueError):
            return None
        if units == "secs" and duration / timedelta(seconds=1) == value:
            duration = timedelta(seconds=value)
        values.append(duration)
    if all(value is None or type(value) is timedelta for value in values):
        return _one_or_many("difftime", values)
    return values[0] if len(values) == 1 else RVector(values, "difftime", units=units)


def _large(node: Node) -> Any:
    numbers = array("q")
    numbers.frombytes(node.value)
    values = [None if value == -(2**63) else Integer64(value) for value in numbers]
    return values[0] if len(values) == 1 and values[0] is not None else RVector(values, "integer64")


# -- lists


def _list(node: Node, attributes: tuple[str, ...]) -> Any:
    classes = node.classes()
    if "data.frame" in classes:
        from .frame import RDataFrame

        return RDataFrame.of(node)
    if classes == ["metaflow_python_object"]:
        from .pickled import unpickled

        return unpickled(node)
    if node.flags & r.IS_OBJECT or not set(attributes) <= {"names"}:
        return RObject(node)
    values = [python_value(element) for element in node.value]
    if attributes:
        names = node.attribute("names").texts()  # type: ignore[union-attr]
        return dict(zip(names, values)) if _are_keys(names) else RList(values, names)
    from .to_r import common_kind

    # A plain list of scalars would be written as a vector.
    return values if not values or common_kind(values) is None else RList(values)
