"""Tasks as Jobs of Kubernetes; the tasks of a foreach are one Indexed Job."""

from __future__ import annotations

from ...contracts.backend import Backend, BackendContext, BackendType
from ..jobs import JobBackend
from .cluster import connect, missing
from .driver import KubernetesDriver
from .listing import Jobs
from .options import check

__all__ = ["PLUGIN"]


def _make(context: BackendContext) -> Backend:
    driver = KubernetesDriver(context, connect(context.settings), lambda text: backend.tell(text))
    backend = JobBackend(context, driver)
    return backend


PLUGIN = BackendType("kubernetes", "Tasks run as Jobs of Kubernetes.", check, _make, missing, jobs=Jobs)
