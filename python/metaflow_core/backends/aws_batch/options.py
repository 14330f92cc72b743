"""What a step asks of AWS Batch: its decorator's arguments, then `resources`, then the settings."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from typing import Any

from ...contracts.decorator import StepPolicy
from ...errors import BackendError
from ..containers import reachable
from ..step_options import several, step_options
from .requests import complaints, efs_mounts

__all__ = ["check", "client_missing", "missing", "options_of"]

_SETTINGS = {
    "image": ("batch_container_image", "default_container_image"),
    "iam_role": ("batch_iam_role",),
    "execution_role": ("batch_execution_role",),
}


def options_of(settings: Any, policy: StepPolicy) -> dict[str, Any]:
    """Arguments of the decorator, as backends/aws_batch/requests.py reads them."""
    resources = {
        "cpu": policy.cpu, "memory": policy.memory_mb, "gpu": policy.gpu, "shared_memory": policy.shared_memory_mb,
    }
    return step_options(settings, policy, resources, _SETTINGS)


def client_missing() -> str | None:
    return None if importlib.util.find_spec("boto3") else "the Python package 'boto3' is not installed"


def missing(settings: Any, args: Mapping[str, Any]) -> str | None:
    """A step that names its queue needs none of the settings."""
    if settings.batch_job_queue or args.get("queue"):
        return client_missing()
    return client_missing() or "no job queue of AWS Batch is configured (METAFLOW_BATCH_JOB_QUEUE)"


def check(settings: Any, policies: Mapping[str, StepPolicy]) -> None:
    """BackendError when one of these steps cannot run there, before anything is written."""
    for step, policy in policies.items():
        options = options_of(settings, policy)
        for sentence in complaints(options, None):
            raise BackendError(f"step '{step}' cannot run on AWS Batch: {sentence}")
        if not options.get("image"):
            raise BackendError(
                f"step '{step}' has no container image to run in on AWS Batch",
                hint="Set METAFLOW_BATCH_CONTAINER_IMAGE, or write batch(image = ). container_image() names one, "
                'and system.file("templates/Dockerfile", package = "metaflow") builds it.',
            )
        if not reachable(settings.datastore_root, _mounts(options)):
            raise BackendError(
                f"tasks of step '{step}' on AWS Batch cannot reach the datastore '{settings.datastore_root}'",
                hint="Use a datastore on S3 (METAFLOW_DATASTORE=s3), or mount it with host_volumes or efs_volumes.",
            )


def _mounts(options: Mapping[str, Any]) -> list[str]:
    return [*several(options.get("host_volumes") or []), *efs_mounts(options).values()]
