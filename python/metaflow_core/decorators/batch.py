"""batch: a job of AWS Batch per task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import Argument, DecoratorType, Policy
from ..contracts.resource_arguments import CPU, GPU, MEMORY, SHARED_MEMORY, resource_policy

__all__ = ["PLUGIN"]


def _policy(args: Mapping[str, Any]) -> Policy:
    given = {name: value for name, value in args.items() if value is not None}
    return {**resource_policy(args), "backend": "aws_batch", "backend_args": given}


PLUGIN = DecoratorType(
    name="batch",
    help="Runs the task on AWS Batch; read as resources where no queue is configured.",
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
        Argument("aws_batch_tags", ("dict",), help="Tags of the job."),
        Argument("use_tmpfs", ("bool",), help="Mount a file system in memory?"),
        Argument("tmpfs_size", ("int", "float"), min=1, help="Its size in MiB; half of the memory unless given."),
        Argument("tmpfs_path", ("str",), help="Where it is mounted; /metaflow_temp unless given."),
        Argument("tmpfs_tempdir", ("bool",), help="Use it for temporary files? TRUE unless given."),
        Argument("inferentia", ("int",), min=1, help="Inferentia chips."),
        Argument("trainium", ("int",), min=1, help="Trainium chips."),
        Argument("efa", ("int",), min=1, help="Elastic fabric adapters."),
        Argument("host_volumes", ("str",), vector=True, help="Folders of the host that are mounted, at the same path."),
        Argument(
            "efs_volumes", ("dict", "str"), vector=True, help="EFS file systems, and where they are mounted: /mnt/ID."
        ),
        Argument("ephemeral_storage", ("int",), min=21, max=200, help="Disk of a Fargate task, in GiB."),
        Argument("log_driver", ("str",), help="Log driver of the container."),
        Argument("log_options", ("dict", "str"), vector=True, help="Its options, by name or as 'name:value'."),
        Argument("privileged", ("bool",), help="Run the container with the rights of its host?"),
    ),
    refused={
        "executable": "The image has what runs a step: choose another one by image =.",
        "num_parallel": "Jobs of several nodes are not supported: a foreach makes an array of tasks.",
    },
    conflicts=("kubernetes", "slurm", "titus"),
    policy=_policy,
    shapes_result=False,
)
