"""How a Python worker is started: a fact that travels to wherever tasks run."""

from __future__ import annotations

import os

__all__ = ["worker_command", "worker_environment"]

_MAIN = "import sys; sys.path[0] = sys.argv[1]; from metaflow_core.pystep.worker import main; main(sys.argv[2])"


def worker_command(python: str, mode: str) -> list[str]:
    """`mode` is "fork" or "fresh". The worker finds this very core, and nothing of the folder it is started in."""
    core = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return [python, "-c", _MAIN, core, mode]


def worker_environment() -> dict[str, str]:
    # Sets have the same order in every task, so that a run can be repeated.
    return {"PYTHONHASHSEED": "0"}
