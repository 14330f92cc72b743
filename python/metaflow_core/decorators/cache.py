"""cache: a task whose code and inputs are those of an earlier finished one is not run again, but taken over from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import Argument, DecoratorType, Policy

__all__ = ["PLUGIN"]

ON = ("code", "inputs", "packages", "seed")
_EXPIRE = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|d|w)\Z")
_UNIT_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}


def _check(args: Mapping[str, Any]) -> list[str]:
    if args["expire"] is None or _seconds(args["expire"]):
        return []
    return [f'\'expire\' must be a duration such as "12h", "7d" or "2w", not \'{args["expire"]}\'']


def _policy(args: Mapping[str, Any]) -> Policy:
    on = args["on"]
    return {
        "cache_on": frozenset(ON if on is None else on if isinstance(on, list) else [on]),
        "cache_seconds": None if args["expire"] is None else _seconds(args["expire"]),
    }


def _seconds(text: str) -> float | None:
    """Seconds of "7d"; None for what is no duration, and for one of no length."""
    found = _EXPIRE.match(text.strip())
    return float(found[1]) * _UNIT_SECONDS[found[2]] or None if found else None


PLUGIN = DecoratorType(
    name="cache",
    help="Takes over an earlier task with the same code, inputs, packages and seed instead of running.",
    args=(
        Argument("on", ("str",), vector=True, choices=ON, help="What must be the same; all four by default."),
        Argument("expire", ("str",), help='Age from which a task is not taken over, as "12h" or "7d".'),
    ),
    check=_check,
    policy=_policy,
    shapes_result=False,
)
