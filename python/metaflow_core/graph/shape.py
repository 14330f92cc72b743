"""Reads fields of JSON objects and says in words which field is wrong, instead of a KeyError three calls deep.

R and JSON do not agree about empty things: `NULL`, `list()` and `character(0)` can arrive as null, {} or []. Each of
them is read as "nothing", and a single text is read as a list of one where a list is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidFlow
from ..types import JsonObject

__all__ = ["Shape"]

_MISSING = object()


class Shape:
    """A JSON object at a place (`where`, for messages) whose fields are read with their types checked."""

    def __init__(self, data: Any, where: str) -> None:
        if not isinstance(data, Mapping):
            raise _malformed(where, "an object", data)
        self._data = data
        self._where = where

    def text(self, field: str) -> str:
        return self._typed(field, str, "a text")

    def optional_text(self, field: str) -> str | None:
        return self._typed(field, str, "a text", default=None)

    def flag(self, field: str, default: bool = False) -> bool:
        return self._typed(field, bool, "true or false", default=default)

    def optional_integer(self, field: str) -> int | None:
        value = self._value(field)
        if value is None:
            return None
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise _malformed(f"{self._where}, field '{field}'", "a whole number", value)
        return value

    def optional_number(self, field: str) -> float | None:
        value = self._value(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _malformed(f"{self._where}, field '{field}'", "a number", value)
        return float(value)

    def any(self, field: str) -> Any:
        return self._data.get(field)

    def mapping(self, field: str) -> JsonObject:
        value = self._value(field)
        if value is None:
            return {}
        if not isinstance(value, Mapping):
            raise _malformed(f"{self._where}, field '{field}'", "an object", value)
        return dict(value)

    def optional_mapping(self, field: str) -> JsonObject | None:
        return None if self._value(field) is None else self.mapping(field)

    def texts(self, field: str) -> tuple[str, ...]:
        value = self._value(field)
        if isinstance(value, str):
            return (value,)
        items = self.items(field)
        for item in items:
            if not isinstance(item, str):
                raise _malformed(f"{self._where}, field '{field}'", "a list of texts", item)
        return tuple(items)

    def items(self, field: str) -> list[Any]:
        value = self._value(field)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            raise _malformed(f"{self._where}, field '{field}'", "a list", value)
        return list(value)

    def _typed(self, field: str, kind: type, words: str, default: Any = _MISSING) -> Any:
        value = self._value(field)
        if value is None and default is not _MISSING:
            return default
        if not isinstance(value, kind):
            raise _malformed(f"{self._where}, field '{field}'", words, value)
        return value

    def _value(self, field: str) -> Any:
        value = self._data.get(field)
        return None if isinstance(value, (Mapping, list)) and not value else value


def _malformed(where: str, wanted: str, value: Any) -> InvalidFlow:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    message = f"{where} must be {wanted}, not {shown}"
    problem = {"code": "malformed", "step": None, "message": message, "hint": ""}
    return InvalidFlow(f"the flow cannot be read: {message}", data=[problem])
