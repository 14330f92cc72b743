"""slurm: a Slurm job per task."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import Argument, DecoratorType, Policy
from ..contracts.resource_arguments import CPU, GPU, MEMORY, resource_policy

__all__ = ["PLUGIN"]

# Forms of a time limit that Slurm reads: minutes, minutes:seconds, hours:minutes:seconds,
# days-hours[:minutes[:seconds]].
_TIME = re.compile(r"(\d+|\d+:\d+|\d+:\d+:\d+|\d+-\d+(:\d+){0,2})\Z")

_NO_SSH = "No SSH is used: start the run on a machine of the cluster, as its login node."


def _check(args: Mapping[str, Any]) -> list[str]:
    time = args["time"]
    if isinstance(time, str) and not _TIME.match(time):
        return [f"'{time}' is no time limit: write minutes, \"hours:minutes:seconds\" or \"days-hours\""]
    return []


def _policy(args: Mapping[str, Any]) -> Policy:
    return {
        "backend": "slurm",
        "backend_args": {name: value for name, value in args.items() if value is not None},
        **resource_policy(args),
    }


PLUGIN = DecoratorType(
    name="slurm",
    help="Runs the task as a Slurm job.",
    args=(
        CPU,
        GPU,
        MEMORY,
        Argument("partition", ("str",), help="Partition of the job."),
        Argument("account", ("str",), help="Account that is charged."),
        Argument("time", ("int", "float", "str"), min=1, help="Time limit: minutes, or a text such as '1-12:00:00'."),
        Argument("qos", ("str",), help="Quality of service."),
        Argument("constraint", ("str",), help="Features that a node must have."),
        Argument("gres", ("str",), help="Generic resources, as 'gpu:a100:2'."),
        Argument("modules", ("str",), vector=True, help="Environment modules that are loaded first."),
        Argument("setup", ("str",), vector=True, help="Lines of shell that run before the task."),
        Argument("extra", ("str",), vector=True, help="Further options of sbatch, as '--exclusive'."),
    ),
    refused=dict.fromkeys(("username", "address", "ssh_key_file", "cert_file", "remote_workdir"), _NO_SSH),
    conflicts=("batch", "kubernetes", "titus"),
    check=_check,
    policy=_policy,
    shapes_result=False,
)
