"""titus: another name for the cluster of the house, whichever that is (METAFLOW_TITUS_BACKEND)."""

from __future__ import annotations

from typing import Any

from ..contracts.backend import Backend, BackendContext, BackendType
from ..errors import InternalError, SettingsError

__all__ = ["PLUGIN"]


def _make(context: BackendContext) -> Backend:
    raise InternalError("'titus' stands for another backend and is none itself")


def _stands_for(settings: Any) -> str:
    if settings.titus_backend == "titus":
        raise SettingsError(
            "METAFLOW_TITUS_BACKEND must name what titus stands for, not itself",
            hint="Set it to kubernetes, batch, slurm or local.",
        )
    return settings.titus_backend


PLUGIN = BackendType(
    "titus",
    "The default cluster, METAFLOW_TITUS_BACKEND.",
    lambda settings, policies: None,
    _make,
    stands_for=_stands_for,
)
