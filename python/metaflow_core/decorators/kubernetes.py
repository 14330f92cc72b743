"""kubernetes: a pod per task. Until a cluster is configured, its sizes are read as `resources`."""

from __future__ import annotations

from ..contracts.decorator import Argument, DecoratorType
from ..contracts.resource_arguments import CPU, DISK, GPU, MEMORY, SHARED_MEMORY, resource_policy

__all__ = ["PLUGIN"]

PLUGIN = DecoratorType(
    name="kubernetes",
    help="Runs the task on Kubernetes; read as resources on a local machine.",
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
        Argument("gpu_vendor", ("str",), help="Vendor of the GPUs."),
        Argument("tolerations", ("dict",), vector=True, help="Taints that the pod tolerates."),
        Argument("labels", ("dict",), help="Labels of the pod."),
        Argument("annotations", ("dict",), help="Annotations of the pod."),
        Argument("persistent_volume_claims", ("dict",), help="Volume claims and where they are mounted."),
    ),
    conflicts=("batch", "slurm", "titus"),
    policy=resource_policy,
)
