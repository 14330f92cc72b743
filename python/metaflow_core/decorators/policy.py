"""What all decorators of a step say together."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ..contracts.decorator import StepPolicy
from ..graph.decorator import DecoratorSpec
from ..registry import plugins

__all__ = ["StepPolicy", "effective"]

# Two decorators may both ask for resources (`resources` and `titus`): the larger wish is granted.
_TOGETHER: dict[str, Callable[[Any, Any], Any]] = {
    "cpu": max,
    "gpu": max,
    "memory_mb": max,
    "disk_mb": max,
    "shared_memory_mb": max,
    "env": lambda earlier, later: {**earlier, **later},
}


def effective(decorators: Iterable[DecoratorSpec]) -> StepPolicy:
    """The policy of a step with these decorators, which must have passed the lint."""
    known = plugins("decorators")
    stated: dict[str, Any] = {}
    for decorator in decorators:
        if decorator.user:
            continue
        kind = known.get(decorator.name)
        for name, value in kind.policy(kind.complete(decorator.args)).items():
            stated[name] = _TOGETHER[name](stated[name], value) if name in stated and name in _TOGETHER else value
    return replace(StepPolicy(), **stated)
