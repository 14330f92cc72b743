"""What a backend is: it moves and starts task folders, and tells how they ended.

The engine hands over orders (plain data, see `R/worker.R`) and asks for reports. A backend never reads results: what a
task left is in its folder. Facts that the engine needs are in `capabilities`; it never asks "which backend is this?".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["Backend", "BackendCapabilities", "Report"]


@dataclass(frozen=True)
class BackendCapabilities:
    local_slots: bool
    """Tasks run on this machine and share its cores and memory."""


@dataclass(frozen=True)
class Report:
    """`writing`: the task began to write the file `message` in its folder. `ended`: the process of task `key` is done with it. `broken`: no task can run at all, `message` says why.

    `finished` is False when the process vanished instead of coming back; `exit` is its exit status or "signal N"
    where that is known.
    """

    kind: str
    key: str = ""
    finished: bool = True
    exit: Any = None
    message: str = ""


class Backend(Protocol):
    capabilities: BackendCapabilities

    def free_slots(self) -> int:
        """How many tasks can be submitted now."""

    def submit(self, key: str, order: Mapping[str, Any]) -> None:
        """Start a task. `key` names it in reports and in `cancel`."""

    def poll(self, timeout_seconds: float) -> list[Report]:
        """What happened, waiting at most so long for the first report."""

    def cancel(self, key: str) -> None:
        """Kill the task and every process it started, at once. Its `ended` report still comes."""

    def close(self) -> None:
        """End all processes. Tasks that still run are killed."""
