"""The order for one task, as the R worker reads it (R/worker-task.R). Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .commit import frames, reference
from .plan import PlannedStep
from .states import Task
from .table import ArtifactTable

__all__ = ["task_order"]


def task_order(task: Task, step: PlannedStep, folder: str, seed: int, named_inputs: bool) -> dict[str, Any]:
    policy = step.policy
    order: dict[str, Any] = {
        "step": task.step,
        "task": task.id,
        "attempt": task.attempt,
        "position": task.position,
        "dir": folder,
        "seed": seed,
        "parents": [parent.key for parent in task.parents],
        "stack": [
            {"index": frame.index, "count": frame.count, "ref": reference(frame.value)} for frame in task.stack
        ],
        "frames": frames(task.stack),
    }
    if step.join:
        order.update(join=True, inputs=_inputs(task.parents, named_inputs))
    elif task.parents:
        order["artifacts"] = _references(task.parents[0].table.flat())
    if step.foreach is not None:
        order["foreach"] = step.foreach
    if step.condition is not None:
        order["condition"] = step.condition
    if policy.env:
        order["env"] = dict(policy.env)
    if policy.catch_var is not None:
        # Every attempt that ends well leaves the variable too, as null; only the last one may fill it.
        order["catch_var"] = policy.catch_var
    if policy.catches and (task.fallback is not None or task.attempt + 1 >= policy.max_attempts):
        order["catch"] = {"var": policy.catch_var, "print": policy.print_exception}
    if task.fallback is not None:
        order["fallback"] = task.fallback
    return order


def _references(records: Mapping[str, Any]) -> dict[str, str]:
    return {name: reference(record) for name, record in records.items()}


def _inputs(parents: tuple[Task, ...], named: bool) -> dict[str, Any]:
    """The inputs of a join. What all of them inherit from one table is told once, as `base`."""
    shared = _shared_base(parents)
    known = {} if shared is None else shared.flat()
    items = []
    for parent in parents:
        own = {
            name: reference(record)
            for name, record in _above(parent.table, shared).items()
            if known.get(name) is not record
        }
        items.append({"step": parent.step, "task": parent.id, "artifacts": own})
    return {"named": named, "base": _references(known), "items": items}


def _shared_base(parents: tuple[Task, ...]) -> ArtifactTable | None:
    """The table of the split that all inputs come from. A single input may be a join, which does not have the
    artifacts of the tasks before it, and there is nothing to be saved by sharing."""
    if len(parents) < 2 or not parents[0].parents:
        return None
    candidate = parents[0].parents[0]
    return candidate.table if all(p.parents and p.parents[0] is candidate for p in parents) else None


def _above(table: ArtifactTable, base: ArtifactTable | None) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    found = []
    layer: ArtifactTable | None = table
    while layer is not None and layer is not base:
        found.append(layer.own)
        layer = layer.base
    for own in reversed(found):
        merged.update(own)
    return merged
