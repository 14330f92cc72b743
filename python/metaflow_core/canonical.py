"""One text for one value: JSON with sorted keys, so that equal values have equal bytes and equal digests."""

from __future__ import annotations

import json

from .types import Json

__all__ = ["canonical_json"]


def canonical_json(value: Json, indent: int | None = None) -> str:
    """`value` as JSON text. NaN and infinities are refused (ValueError): JSON does not have them."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
