"""titus: the cluster of the house. At Netflix that was Titus; here it is what METAFLOW_TITUS_BACKEND names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import DecoratorType, Policy
from ..contracts.resource_arguments import CPU, GPU, MEMORY, resource_policy

__all__ = ["PLUGIN"]


def _policy(args: Mapping[str, Any]) -> Policy:
    return {**resource_policy(args), "backend": "titus"}


PLUGIN = DecoratorType(
    name="titus",
    help="Runs the task on your default cluster; read as resources where none is configured.",
    args=(CPU, GPU, MEMORY),
    conflicts=("batch", "kubernetes", "slurm"),
    policy=_policy,
    shapes_result=False,
)
