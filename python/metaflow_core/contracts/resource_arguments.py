"""The arguments by which every compute decorator asks for a part of a machine, and what follows from them.

Here and not beside the decorators, because plugins do not import each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .decorator import Argument, Policy

__all__ = ["CPU", "DISK", "GPU", "MEMORY", "SHARED_MEMORY", "resource_policy"]

CPU = Argument("cpu", ("int", "float"), min=0.01, help="CPU cores of one task.")
GPU = Argument("gpu", ("int", "float"), min=0, help="GPUs of one task.")
MEMORY = Argument("memory", ("int", "float"), min=1, help="Memory of one task, in MB.")
DISK = Argument("disk", ("int", "float"), min=1, help="Disk space of one task, in MB.")
SHARED_MEMORY = Argument("shared_memory", ("int", "float"), min=1, help="Size of /dev/shm, in MiB.")

_FIELDS = {"cpu": "cpu", "gpu": "gpu", "memory": "memory_mb", "disk": "disk_mb", "shared_memory": "shared_memory_mb"}


def resource_policy(args: Mapping[str, Any]) -> Policy:
    """What the local machine reserves: only what was asked for, never a cluster's default of 4 GB."""
    return {policy: float(args[name]) for name, policy in _FIELDS.items() if args.get(name) is not None}
