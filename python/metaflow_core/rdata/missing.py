"""R's missing values. NA is not NaN, not None, and neither true nor false."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from typing import Any

__all__ = [
    "NA",
    "NA_CHARACTER",
    "NA_INTEGER",
    "NA_INTEGER_BITS",
    "NA_REAL",
    "NA_REAL_BITS",
    "NAType",
    "has_na_real",
    "is_na_real",
]

#: An integer or logical NA.
NA_INTEGER_BITS = -(2**31)
#: A double NA is a NaN whose lower word is 1954, the year in which Ross Ihaka was born.
NA_REAL_BITS = struct.pack("=Q", 0x7FF00000000007A2)
_LOWER = struct.Struct("=Q")


class NAType:
    """A single missing value, of one of R's types. In vectors and columns, missing values are None."""

    _known: dict[str, NAType] = {}

    def __new__(cls, kind: str = "logical") -> NAType:
        found = cls._known.get(kind)
        if found is None:
            found = cls._known[kind] = super().__new__(cls)
            found.kind = kind
        return found

    kind: str

    def __repr__(self) -> str:
        return {"logical": "NA", "integer": "NA_INTEGER", "double": "NA_REAL", "character": "NA_CHARACTER"}[self.kind]

    def __bool__(self) -> bool:
        raise TypeError("NA is neither true nor false; write `x is NA`, or isinstance(x, NAType)")

    def __reduce__(self) -> Any:
        return NAType, (self.kind,)


NA = NAType("logical")
NA_INTEGER = NAType("integer")
NA_REAL = NAType("double")
NA_CHARACTER = NAType("character")


def is_na_real(number: float) -> bool:
    return math.isnan(number) and _LOWER.unpack(struct.pack("=d", number))[0] & 0xFFFFFFFF == 1954


_NEEDLE = struct.pack("=I", 1954)


def has_na_real(values: array, raw: Any | None = None) -> bool:
    """Whether any double is NA. Quick for the many vectors that have none."""
    data = values.tobytes() if raw is None else bytes(raw)
    start = 0
    while True:
        start = data.find(_NEEDLE, start)
        if start < 0:
            return False
        place = start - start % 8
        if start % 8 == (0 if sys.byteorder == "little" else 4) and math.isnan(
            struct.unpack_from("=d", data, place)[0]
        ):
            return True
        start += 1
