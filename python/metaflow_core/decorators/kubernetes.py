"""kubernetes: a pod per task, with all that a pod can be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import Argument, DecoratorType, Policy
from ..contracts.resource_arguments import CPU, DISK, GPU, MEMORY, SHARED_MEMORY, resource_policy

__all__ = ["PLUGIN"]


def _policy(args: Mapping[str, Any]) -> Policy:
    given = {name: value for name, value in args.items() if value is not None}
    return {**resource_policy(args), "backend": "kubernetes", "backend_args": given}


PLUGIN = DecoratorType(
    name="kubernetes",
    help="Runs the task on Kubernetes; read as resources where no cluster is configured.",
    args=(
        CPU,
        GPU,
        MEMORY,
        DISK,
        SHARED_MEMORY,
        Argument("image", ("str",), help="Container image."),
        Argument("image_pull_policy", ("str",), choices=("Always", "IfNotPresent", "Never"), help="When to pull it."),
        Argument("image_pull_secrets", ("str",), vector=True, help="Secrets for pulling the image."),
        Argument("namespace", ("str",), help="Kubernetes namespace."),
        Argument("service_account", ("str",), help="Service account of the pod."),
        Argument("secrets", ("str",), vector=True, help="Secrets given to the pod as environment variables."),
        Argument("node_selector", ("dict", "str"), help="Labels that a node must have."),
        Argument("gpu_vendor", ("str",), help="Vendor of the GPUs, as 'nvidia' or 'amd'."),
        Argument(
            "tolerations", ("dict",), vector=True, help="Taints that the pod tolerates: key, operator, value, effect."
        ),
        Argument("labels", ("dict",), help="Labels of the pod."),
        Argument("annotations", ("dict",), help="Annotations of the pod."),
        Argument("persistent_volume_claims", ("dict",), help="Volume claims and where they are mounted."),
        Argument("use_tmpfs", ("bool",), help="Mount a file system in memory?"),
        Argument("tmpfs_size", ("int", "float"), min=1, help="Its size in MiB; half of the memory unless given."),
        Argument("tmpfs_path", ("str",), help="Where it is mounted; /metaflow_temp unless given."),
        Argument("tmpfs_tempdir", ("bool",), help="Use it for temporary files? TRUE unless given."),
        Argument(
            "qos", ("str",), choices=("burstable", "guaranteed", "Burstable", "Guaranteed"),
            help="Quality of service; 'burstable' unless given."
        ),
        Argument("extended_resources", ("dict",), help="Further resources of a node, by name, and how many of each."),
        Argument("port", ("int",), min=1, max=65535, help="Port that the container says it listens on."),
        Argument(
            "security_context",
            ("dict",),
            help="run_as_user, run_as_group, run_as_non_root, privileged, allow_privilege_escalation.",
        ),
    ),
    refused={
        "compute_pool": "Choose nodes by node_selector = and tolerations =.",
        "executable": "The image has what runs a step: choose another one by image =.",
        "hostname_resolution_timeout": "Jobs of several nodes are not supported: a foreach makes an array of tasks.",
        "num_parallel": "Jobs of several nodes are not supported: a foreach makes an array of tasks.",
    },
    conflicts=("batch", "slurm", "titus"),
    policy=_policy,
    shapes_result=False,
)
