"""Whether the default of a parameter is of the parameter's type.

Values given to a run are read and checked in R, where they live; here is only what the lint can see.
"""

from __future__ import annotations

from typing import Any

from .parameter import ParameterSpec

__all__ = ["TYPE_WORDS", "default_fits"]

TYPE_WORDS = {
    "bool": "TRUE or FALSE",
    "date": "a date like 2024-01-31",
    "float": "a number",
    "int": "a whole number",
    "json": "JSON",
    "str": "a text",
}

_BOOL_WORDS = frozenset({"true", "t", "yes", "1", "false", "f", "no", "0"})


def default_fits(parameter: ParameterSpec) -> bool:
    """Nothing (null) always fits, and everything does when no type is stated. With a separator the default is several
    values of the type, or a text of them."""
    value, kind = parameter.default, parameter.type
    if value is None or kind is None or kind not in _FITS:
        return True
    if not parameter.separator:
        return _FITS[kind](value)
    if isinstance(value, str):
        return all(_TEXT_FITS[kind](piece) for piece in value.split(parameter.separator))
    return all(_FITS[kind](item) for item in (value if isinstance(value, list) else [value]))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and (isinstance(value, int) or value.is_integer())


def _is_date(value: Any) -> bool:
    import datetime  # few flows have one

    try:
        return isinstance(value, str) and bool(datetime.date.fromisoformat(value.strip()))
    except ValueError:
        return False


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_FITS = {
    "bool": lambda value: isinstance(value, bool),
    "date": _is_date,
    "float": _is_number,
    "int": _is_whole,
    "json": lambda value: True,
    "str": lambda value: isinstance(value, str),
}

_TEXT_FITS = {
    "bool": lambda text: text.strip().lower() in _BOOL_WORDS,
    "date": _is_date,
    "float": lambda text: _number(text) is not None,
    "int": lambda text: _is_whole(_number(text)),
    "json": lambda text: True,
    "str": lambda text: True,
}
