"""environment_variables: variables of the task's process, written as arguments or as one named list `vars`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import Argument, DecoratorType, Policy

__all__ = ["PLUGIN"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\Z")
_VALUE = Argument("value", ("str", "int", "float", "bool"), help="A single value, kept as text.")


def _variables(args: Mapping[str, Any]) -> dict[str, Any]:
    single = {name: value for name, value in args.items() if name != "vars"}
    return {**(args.get("vars") or {}), **single}


def _check(args: Mapping[str, Any]) -> list[str]:
    sentences = []
    for name, value in _variables(args).items():
        if not _VARIABLE.match(name):
            sentences.append(f"'{name}' cannot be the name of an environment variable")
        elif _VALUE.complaint(value):
            sentences.append(f"'{name}' must be {_VALUE.complaint(value)}")
        elif isinstance(value, str) and "\0" in value:
            sentences.append(f"'{name}' contains a null character")
    return sentences


def _policy(args: Mapping[str, Any]) -> Policy:
    return {"env": {name: _text(value) for name, value in _variables(args).items()}}


def _text(value: Any) -> str:
    """As R's Sys.setenv() would write it."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


PLUGIN = DecoratorType(
    name="environment_variables",
    aliases=("environment",),
    help="Sets environment variables of the task.",
    args=(Argument("vars", ("dict",), help="Named list of variables."),),
    other_args=_VALUE,
    check=_check,
    policy=_policy,
)
