"""retry: a failed task is tried again, after a pause and with memory which may grow from one retry to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import CAUSES, Argument, DecoratorType, Policy

__all__ = ["PLUGIN"]


def _policy(args: Mapping[str, Any]) -> Policy:
    times = int(args["times"])
    return {
        "max_attempts": 1 + times,
        "delays_seconds": _delays_seconds(args["minutes_between_retries"], times),
        "retry_on": tuple(_several(args["on"])),
        "retry_memory_mb": tuple(map(float, _several(args["memory"]))),
        "retry_with": args["with"],
    }


def _several(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _delays_seconds(minutes: Any, times: int) -> tuple[float, ...]:
    """One pause per retry; the last one given serves for all retries after it."""
    given = _several(minutes)
    return tuple(60.0 * given[min(retry, len(given) - 1)] for retry in range(times))


PLUGIN = DecoratorType(
    name="retry",
    help="Tries a failed task again.",
    args=(
        Argument("times", ("int",), default=3, min=0, help="How many times a failed task is tried again."),
        Argument(
            "minutes_between_retries",
            ("int", "float"),
            default=2,
            min=0,
            vector=True,
            help="Pause before each retry, in minutes; a vector gives the pause before the first, second, ... retry.",
        ),
        Argument(
            "on",
            ("str",),
            vector=True,
            choices=CAUSES,
            help="Causes of a failure that are worth a retry; all of them when not given.",
        ),
        Argument(
            "memory",
            ("int", "float"),
            min=1,
            vector=True,
            help="Memory of the first, second, ... retry, in MB; resources() has that of the first attempt.",
        ),
        Argument("with", ("str",), help="Where retries run: 'local' or a cluster, as 'slurm'."),
    ),
    policy=_policy,
    shapes_result=False,
)
