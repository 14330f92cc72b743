"""Values of parameters: which fit a type, and what a text on the command line means."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from typing import Any

from ..errors import ParameterError
from ..nearest import did_you_mean
from ..r_literal import r_literal
from .parameter import ParameterSpec

__all__ = ["TYPE_WORDS", "accepts", "inferred_type", "parse_text", "resolve_parameters"]

TYPE_WORDS = {
    "bool": "TRUE or FALSE",
    "date": "a date like 2024-01-31",
    "float": "a number",
    "int": "a whole number",
    "json": "JSON",
    "str": "a text",
}

_TRUE = frozenset({"true", "t", "yes", "y", "on", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0"})


def inferred_type(parameter: ParameterSpec) -> str:
    """The type of a parameter, taken from its default when it states none."""
    if parameter.type is not None:
        return parameter.type
    default = parameter.default
    if parameter.is_flag or isinstance(default, bool):
        return "bool"
    if isinstance(default, int):
        return "int"
    if isinstance(default, float):
        return "float"
    return "json" if isinstance(default, (list, dict)) and not parameter.separator else "str"


def accepts(parameter: ParameterSpec, value: Any = ...) -> bool:
    """Whether a value (the default, unless given) is of the parameter's type. Nothing (None) always is."""
    value = parameter.default if value is ... else value
    if value is None:
        return True
    kind = inferred_type(parameter)
    if kind == "str" and parameter.separator and isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return _FITS[kind](value)


def parse_text(parameter: ParameterSpec, text: str) -> Any:
    """The value that a text on the command line means; ParameterError when it means none."""
    kind = inferred_type(parameter)
    try:
        return _PARSERS[kind](parameter, text)
    except ValueError as error:
        reason = f" ({error})" if kind == "json" else ""
        raise ParameterError(
            f"parameter '{parameter.name}' must be {TYPE_WORDS[kind]}, not '{text}'{reason}",
            hint=parameter.help or "",
            data={"name": parameter.name, "type": kind},
        ) from None


def resolve_parameters(parameters: tuple[ParameterSpec, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every parameter: the given one (already typed), else the default, else None. ParameterError names
    all that are unknown, missing or of a wrong type."""
    complaints = list(_unknown(parameters, given))
    values = {}
    for parameter in parameters:
        value = given.get(parameter.name)
        if value is None:
            value = parameter.default
            if parameter.required:
                complaints.append((f"parameter '{parameter.name}' is required", f"Add --{parameter.name} VALUE."))
        elif not accepts(parameter, value):
            words = TYPE_WORDS[inferred_type(parameter)]
            complaints.append(
                (f"parameter '{parameter.name}' must be {words}, not {r_literal(value)}", parameter.help or "")
            )
        values[parameter.name] = value
    if complaints:
        raise ParameterError(
            "; ".join(message for message, _ in complaints),
            hint=" ".join(dict.fromkeys(hint for _, hint in complaints if hint)),
            data=[{"message": message, "hint": hint} for message, hint in complaints],
        )
    return values


def _unknown(parameters: tuple[ParameterSpec, ...], given: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = [parameter.name for parameter in parameters]
    return [(f"the flow has no parameter '{name}'", did_you_mean(name, known)) for name in given if name not in known]


def _parse_bool(parameter: ParameterSpec, text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def _parse_int(parameter: ParameterSpec, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        number = float(text)  # 1e6 is what R prints for a million
        if not number.is_integer():
            raise
        return int(number)


def _parse_float(parameter: ParameterSpec, text: str) -> float:
    number = float(text)
    if not _is_number(number):
        raise ValueError
    return number


def _parse_str(parameter: ParameterSpec, text: str) -> Any:
    return text.split(parameter.separator) if parameter.separator else text


def _parse_json(parameter: ParameterSpec, text: str) -> Any:
    return json.loads(text)


def _parse_date(parameter: ParameterSpec, text: str) -> str:
    return datetime.date.fromisoformat(text.strip()).isoformat()


def _is_number(value: Any) -> bool:
    # NaN and infinities have no place in JSON.
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < float("inf")


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(datetime.date.fromisoformat(value))
    except ValueError:
        return False


_FITS = {
    "bool": lambda value: isinstance(value, bool),
    "date": _is_date,
    "float": _is_number,
    "int": lambda value: _is_number(value) and float(value).is_integer(),
    "json": lambda value: True,
    "str": lambda value: isinstance(value, str),
}

_PARSERS = {
    "bool": _parse_bool,
    "date": _parse_date,
    "float": _parse_float,
    "int": _parse_int,
    "json": _parse_json,
    "str": _parse_str,
}
