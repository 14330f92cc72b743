"""timeout: a task that takes too long is killed, with everything it started, and counts as failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import Argument, DecoratorType, Policy

__all__ = ["PLUGIN", "timeout_seconds"]


def timeout_seconds(args: Mapping[str, Any]) -> float:
    """The duration that the arguments make together: they are added."""
    return float((args.get("hours") or 0) * 3600 + (args.get("minutes") or 0) * 60 + (args.get("seconds") or 0))


def _check(args: Mapping[str, Any]) -> list[str]:
    return [] if timeout_seconds(args) > 0 else ["give a duration above zero, for example timeout(minutes = 5)"]


def _policy(args: Mapping[str, Any]) -> Policy:
    return {"timeout_seconds": timeout_seconds(args)}


PLUGIN = DecoratorType(
    name="timeout",
    help="Ends a task that takes too long.",
    args=(
        Argument("seconds", ("int", "float"), default=0, min=0, help="Seconds, added to minutes and hours."),
        Argument("minutes", ("int", "float"), default=0, min=0, help="Minutes, added to seconds and hours."),
        Argument("hours", ("int", "float"), default=0, min=0, help="Hours, added to seconds and minutes."),
    ),
    check=_check,
    policy=_policy,
    shapes_result=False,
)
