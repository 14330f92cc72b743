"""Facts about the task that runs, for steps in Python: `from metaflow_core import current`, then `current.run_id`.

The fields are those of current() in R: flow_name, run_id, step_name, task_id, pathspec, namespace, username,
origin_run_id, retry_count, tags, project_name, branch_name, is_production, seed, tempdir (a folder of this task's own,
deleted with it). A fact that does not apply is None.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from .nearest import did_you_mean

__all__ = ["FIELDS", "enter"]

FIELDS = (
    "flow_name",
    "run_id",
    "step_name",
    "task_id",
    "pathspec",
    "namespace",
    "username",
    "origin_run_id",
    "retry_count",
    "tags",
    "project_name",
    "branch_name",
    "is_production",
    "seed",
    "tempdir",
)

_facts: Mapping[str, Any] | None = None
_told: Callable[[str], None] | None = None


def enter(facts: Mapping[str, Any], told: Callable[[str], None] | None = None) -> None:
    """The worker says which task this process is at, and who is to be told of what the step asks."""
    global _facts, _told
    _facts = dict(facts)
    _told = told


def __getattr__(name: str) -> Any:
    if name not in FIELDS:
        hint = did_you_mean(name, FIELDS) if not name.startswith("__") else ""
        raise AttributeError(f"current has no field '{name}'\n{hint}".rstrip())
    if _facts is None:
        raise AttributeError(f"current.{name} can be used only while a step runs")
    if _told is not None:
        _told(name)
    if name == "tempdir":
        os.makedirs(_facts["tempdir"], exist_ok=True)
    return _facts.get(name)


def __dir__() -> list[str]:
    return list(FIELDS)
