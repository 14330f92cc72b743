"""slurm: a Slurm job per task. Until a cluster is configured, its sizes are read as `resources`."""

from __future__ import annotations

from ..contracts.decorator import Argument, DecoratorType
from ..contracts.resource_arguments import CPU, GPU, MEMORY, resource_policy

__all__ = ["PLUGIN"]

PLUGIN = DecoratorType(
    name="slurm",
    help="Runs the task as a Slurm job; read as resources on a local machine.",
    args=(
        CPU,
        GPU,
        MEMORY,
        Argument("partition", ("str",), help="Partition of the job."),
        Argument("account", ("str",), help="Account that is charged."),
        Argument("qos", ("str",), help="Quality of service."),
        Argument("constraint", ("str",), help="Features that a node must have."),
    ),
    conflicts=("batch", "kubernetes", "titus"),
    policy=resource_policy,
)
