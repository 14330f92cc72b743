"""catch: a task that failed for good does not fail the run; the condition can be kept in an artifact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import Argument, DecoratorType, Policy
from ..graph.names import name_complaint

__all__ = ["PLUGIN"]


def _check(args: Mapping[str, Any]) -> list[str]:
    complaint = None if args["var"] is None else name_complaint(args["var"])
    return [f"the artifact name '{args['var']}' {complaint}"] if complaint else []


def _policy(args: Mapping[str, Any]) -> Policy:
    return {"catches": True, "catch_var": args["var"], "print_exception": args["print_exception"]}


PLUGIN = DecoratorType(
    name="catch",
    help="Goes on with the flow when a task fails for good.",
    args=(
        Argument("var", ("str",), help="Artifact that keeps the condition; NULL when the task did not fail."),
        Argument("print_exception", ("bool",), default=True, help="Print the condition in the log of the task."),
    ),
    # A task that failed says neither over what to fan out nor which case to take.
    not_on=("foreach", "switch"),
    check=_check,
    policy=_policy,
)
