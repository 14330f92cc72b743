"""batch: AWS Batch. Until it is configured, its sizes are read as `resources`."""

from __future__ import annotations

from ..contracts.decorator import Argument, DecoratorType
from ..contracts.resource_arguments import CPU, GPU, MEMORY, SHARED_MEMORY, resource_policy

__all__ = ["PLUGIN"]

PLUGIN = DecoratorType(
    name="batch",
    help="Runs the task on AWS Batch; read as resources on a local machine.",
    args=(
        CPU,
        GPU,
        MEMORY,
        Argument("image", ("str",), help="Container image."),
        Argument("queue", ("str",), help="Job queue."),
        Argument("iam_role", ("str",), help="IAM role of the container."),
        Argument("execution_role", ("str",), help="IAM role that starts Fargate tasks."),
        SHARED_MEMORY,
        Argument("max_swap", ("int",), min=0, help="Swap space, in MiB."),
        Argument("swappiness", ("int",), min=0, max=100, help="How eagerly memory is swapped."),
    ),
    conflicts=("kubernetes", "slurm", "titus"),
    policy=resource_policy,
)
