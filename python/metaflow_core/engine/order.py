"""The order for one task, as the R worker reads it (R/worker-task.R). Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .commit import frames, reference
from .plan import PlannedStep
from .states import Task

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
    """The inputs of a join. What all of them have in common, mostly from before the split, is told once, as `base`."""
    known: dict[int, str] = {}  # ten thousand splits share the records of what they did not assign
    tables = [_table_references(parent.table.flat(), known) for parent in parents]
    base = dict(tables[0]) if tables else {}
    for table in tables[1:]:
        base = {name: ref for name, ref in base.items() if table.get(name) == ref}
    items = []
    for parent, table in zip(parents, tables):
        own = {name: ref for name, ref in table.items() if base.get(name) != ref}
        items.append({"step": parent.step, "task": parent.id, "artifacts": own})
    return {"named": named, "base": base, "items": items}


def _table_references(records: Mapping[str, Any], known: dict[int, str]) -> dict[str, str]:
    for record in records.values():
        if id(record) not in known:
            known[id(record)] = reference(record)
    return {name: known[id(record)] for name, record in records.items()}
