"""titus: Netflix's container platform. Until a cluster is configured, its sizes are read as `resources`."""

from __future__ import annotations

from ..contracts.decorator import DecoratorType
from ..contracts.resource_arguments import CPU, GPU, MEMORY, resource_policy

__all__ = ["PLUGIN"]

PLUGIN = DecoratorType(
    name="titus",
    help="Runs the task on Titus; read as resources on a local machine.",
    args=(CPU, GPU, MEMORY),
    conflicts=("batch", "kubernetes", "slurm"),
    policy=resource_policy,
)
