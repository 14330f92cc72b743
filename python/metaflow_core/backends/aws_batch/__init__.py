"""Tasks as jobs of AWS Batch; the tasks of a foreach are one array job."""

from __future__ import annotations

from ...contracts.backend import Backend, BackendContext, BackendType
from ..jobs import JobBackend
from .driver import BatchDriver
from .listing import Jobs
from .options import check, missing
from .queue import connect

__all__ = ["PLUGIN"]


def _make(context: BackendContext) -> Backend:
    return JobBackend(context, BatchDriver(context, connect(context.settings)))


PLUGIN = BackendType(
    "aws_batch", "Tasks run as jobs of AWS Batch.", check, _make, missing, jobs=Jobs, aliases=("batch",)
)
