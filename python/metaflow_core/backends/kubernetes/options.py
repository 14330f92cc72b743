"""What a step asks of Kubernetes: its decorator's arguments, then `resources`, then the settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...contracts.decorator import StepPolicy
from ...errors import BackendError
from ..containers import reachable
from ..step_options import step_options
from .manifest import complaints, pairs

__all__ = ["check", "options_of"]

_SETTINGS = {
    "image": ("kubernetes_container_image", "default_container_image"),
    "service_account": ("kubernetes_service_account",),
    "secrets": ("kubernetes_secrets",),
    "node_selector": ("kubernetes_node_selector",),
    "persistent_volume_claims": ("kubernetes_persistent_volume_claims",),
}


def options_of(settings: Any, policy: StepPolicy) -> dict[str, Any]:
    """Arguments of the decorator, as backends/kubernetes/manifest.py reads them."""
    resources = {
        "cpu": policy.cpu, "memory": policy.memory_mb, "gpu": policy.gpu, "disk": policy.disk_mb,
        "shared_memory": policy.shared_memory_mb,
    }
    options = step_options(settings, policy, resources, _SETTINGS)
    if isinstance(options.get("persistent_volume_claims"), str):
        options["persistent_volume_claims"] = pairs(options["persistent_volume_claims"])
    return options


def check(settings: Any, policies: Mapping[str, StepPolicy]) -> None:
    """BackendError when one of these steps cannot run there, before anything is written."""
    for step, policy in policies.items():
        options = options_of(settings, policy)
        for sentence in complaints(options):
            raise BackendError(f"step '{step}' cannot run on Kubernetes: {sentence}")
        if not options.get("image"):
            raise BackendError(
                f"step '{step}' has no container image to run in on Kubernetes",
                hint="Set METAFLOW_KUBERNETES_CONTAINER_IMAGE, or write kubernetes(image = ). "
                "container_image() names one, "
                'and system.file("templates/Dockerfile", package = "metaflow") builds it.',
            )
        mounts = (options.get("persistent_volume_claims") or {}).values()
        if not reachable(settings.datastore_root, mounts):
            raise BackendError(
                f"tasks of step '{step}' on Kubernetes cannot reach the datastore '{settings.datastore_root}'",
                hint="Use a datastore on S3 (METAFLOW_DATASTORE=s3), or mount it with "
                'persistent_volume_claims = list(claim = "/path").',
            )
