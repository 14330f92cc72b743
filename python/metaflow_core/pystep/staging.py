"""Writes the values of a task into its folder: small ones together in a pack, each large one in a file of its own, so
that equal ones are stored once (as R/artifact-bytes.R does it)."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..nearest import did_you_mean
from ..rdata.artifact import Encoded, encode, encode_node
from ..rdata.errors import Unstorable
from ..rdata.frame import RDataFrame
from ..rdata.missing import NAType
from ..rdata.number_text import number_text
from ..rdata.opaque import RObject
from ..rdata.values import Factor, NamedVector, RVector
from .failure import WorkerError

__all__ = ["encoded_values", "stage_splits", "switch_key", "write_encoded"]

SMALL_BYTES = 1 << 16
_MOST_LABELS, _LABEL_WIDTH = 1000, 40


def encoded_values(values: Mapping[str, Any]) -> dict[str, Encoded]:
    found = {}
    for name, value in values.items():
        try:
            found[name] = encode(value)
        except Unstorable as problem:
            raise Unstorable(f"artifact '{name}': {problem.message}", hint=problem.hint) from problem
    return found


def write_encoded(
    items: Mapping[str, Encoded],
    folder: str,
    pack_name: str = "pack",
    announce: Callable[[str], None] = lambda name: None,
) -> dict[str, dict[str, Any]]:
    """Returns {name: {"file", "offset", "size", "class", "dim", "length"}}."""
    written, pack = {}, bytearray()
    for number, (name, item) in enumerate(items.items(), start=1):
        if item.size > SMALL_BYTES:
            file = f"{pack_name}-{number}"
            announce(file)
            with open(os.path.join(folder, file), "wb") as out:
                for piece in item.pieces:
                    out.write(piece)
            place = {"file": file, "offset": 0, "size": item.size}
        else:
            place = {"file": pack_name, "offset": len(pack), "size": item.size}
            for piece in item.pieces:
                pack += piece
        written[name] = {**place, **item.about}
    if pack:
        with open(os.path.join(folder, pack_name), "wb") as out:
            out.write(pack)
    return written


def stage_splits(name: str, value: Any, folder: str) -> dict[str, Any]:
    """The values of a foreach, each on its own, so that a split reads its value and not all of them."""
    sizes, labels = [], None
    elements: Iterable[Encoded]
    elements, labels = _elements(name, value)
    with open(os.path.join(folder, "splits"), "wb") as out:
        for element in elements:
            for piece in element.pieces:
                out.write(piece)
            sizes.append(element.size)
    return {"count": len(sizes), "file": "splits", "sizes": sizes, "labels": labels if sizes else None}


def _elements(name: str, value: Any) -> tuple[Iterable[Encoded], list[str] | None]:
    library = (type(value).__module__ or "").partition(".")[0]
    if library == "pyarrow" or (library in ("pandas", "polars") and type(value).__name__ == "DataFrame"):
        return _rows_of_table(value), None
    if isinstance(value, RDataFrame):
        return (encode_node(value.row(place).node) for place in range(len(value))), None
    if isinstance(value, Factor):
        return (encode(Factor([item], value.levels, value.ordered)) for item in value), _labels(value)
    if isinstance(value, (RVector, NamedVector)):
        items = list(value.values()) if isinstance(value, dict) else list(value)
        names = list(value) if isinstance(value, dict) else value.names
        return (encode(_element(item, value.kind)) for item in items), names or _labels(items)
    if isinstance(value, dict):
        return map(encode, value.values()), _short(map(str, value))
    if value is None:
        return (), None
    if isinstance(value, (bool, int, float, str, complex, NAType)):
        return [encode(value)], _labels([value])
    if isinstance(value, (RObject, bytes)) or not hasattr(value, "__iter__") or not hasattr(value, "__len__"):
        raise WorkerError(
            f"A foreach needs a list, dict or table, but '{name}' is {type(value).__name__}.",
            hint="Assign the values to split by as a list, a dict, an array or a table.",
        )
    items = list(value)
    return map(encode, items), _labels(items)


def _element(item: Any, kind: str) -> Any:
    """A missing element keeps its type."""
    return NAType(kind) if item is None and kind in ("logical", "integer", "double", "character") else item


def _rows_of_table(value: Any) -> Iterable[Encoded]:
    """Each row is again a table of the kind that it came from."""
    for place in range(len(value)):
        if type(value).__module__.startswith("pandas"):
            yield encode(value.iloc[[place]].reset_index(drop=True))
        elif type(value).__module__.startswith("polars"):
            yield encode(value[place])
        else:
            yield encode(value.slice(place, 1))


def _labels(items: list[Any]) -> list[str] | None:
    """Short texts that people recognise a split by."""
    if not items or len(items) > _MOST_LABELS or not all(isinstance(item, (bool, int, float, str)) for item in items):
        return None
    return [_text(item)[:_LABEL_WIDTH] for item in items]


def _short(names: Iterable[str]) -> list[str] | None:
    found = list(names)
    return found if len(found) <= _MOST_LABELS else None


def _text(value: Any) -> str:
    """As as.character() in R."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return number_text(value) if isinstance(value, float) else str(value)


def switch_key(name: str, value: Any, cases: Sequence[str]) -> str:
    """The artifact that a switch looks at, as the text its cases are named by."""
    if (
        type(value).__module__.partition(".")[0] == "numpy"
        and hasattr(value, "item")
        and getattr(value, "size", 0) == 1
    ):
        value = value.item()
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if type(value) is not datetime.date and not isinstance(value, (bool, int, float, str)) or value != value:
        raise WorkerError(
            f"The condition '{name}' must be a single value, but is {str(value)[:60]}.",
            hint="Assign one text, number or True/False that names a case.",
        )
    key = _text(value)
    if key not in cases:
        known = ", ".join(f"'{case}'" for case in cases)
        raise WorkerError(
            f"The condition '{name}' is {value!r}, which is none of the cases: {known}.",
            hint=did_you_mean(key, cases) if key else f'Add a case to next_step: list("{key}" = ...).',
        )
    return key
