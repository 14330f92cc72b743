"""resources: what one task needs of a machine. It decides how many tasks run side by side."""

from __future__ import annotations

from ..contracts.decorator import DecoratorType
from ..contracts.resource_arguments import CPU, DISK, GPU, MEMORY, SHARED_MEMORY, resource_policy

__all__ = ["PLUGIN"]

PLUGIN = DecoratorType(
    name="resources",
    help="States what one task needs, wherever it runs.",
    args=(CPU, GPU, MEMORY, DISK, SHARED_MEMORY),
    policy=resource_policy,
    shapes_result=False,
)
