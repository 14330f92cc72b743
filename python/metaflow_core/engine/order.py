"""The order for one task, as the R worker reads it (R/worker-task.R). Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .commit import frames, reference
from .plan import PlannedStep
from .position import Frame
from .states import Task, attempts_allowed

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
    if step.language != "r":
        order["language"] = step.language
    if step.join:
        order.update(join=True, inputs=_inputs(task, named_inputs))
    elif task.parents:
        order["artifacts"] = _references(task.parents[0].table.flat())
    if step.foreach is not None:
        order["foreach"] = step.foreach
    if step.condition is not None:
        order.update(condition=step.condition, cases=list(step.cases))
    if policy.cache_on:
        order["trace"] = True
    if policy.env:
        order["env"] = dict(policy.env)
    if policy.catch_var is not None:
        # Every attempt that ends well leaves the variable too, as null; only the last one may fill it.
        order["catch_var"] = policy.catch_var
    last = task.fallback is not None or task.attempt + 1 >= attempts_allowed(task, policy)
    if policy.catches and (last or policy.retry_on):
        order["catch"] = {"var": policy.catch_var, "print": policy.print_exception}
        if not last:
            # What is tried again is not caught yet.
            order["catch"]["unless"] = list(policy.retry_on)
    if task.fallback is not None:
        order["fallback"] = task.fallback
    return order


def _references(records: Mapping[str, Any]) -> dict[str, str]:
    return {name: reference(record) for name, record in records.items()}


def _inputs(task: Task, named: bool) -> dict[str, Any]:
    """The inputs of a join. What all of them have in common, mostly from before the split, is told once, as `base`."""
    known: dict[int, str] = {}  # ten thousand splits share the records of what they did not assign
    parents = task.parents
    tables = [None if parent.table is None else _table_references(parent.table.flat(), known) for parent in parents]
    whole = [table for table in tables if table is not None]
    base = dict(whole[0]) if whole else {}
    for table in whole[1:]:
        base = {name: ref for name, ref in base.items() if table.get(name) == ref}
    items = []
    for parent, table in zip(parents, tables):
        if table is None:
            items.append(_failed_input(parent, parent.stack[len(task.stack)]))
            continue
        own = {name: ref for name, ref in table.items() if base.get(name) != ref}
        items.append({"step": parent.step, "task": parent.id, "artifacts": own})
    return {"named": named, "base": base, "items": items}


def _failed_input(parent: Task, split: Frame) -> dict[str, Any]:
    """A split that failed, in its place among the inputs of the join. `ref`: the element of the foreach that it had."""
    error = parent.failure.error or {}
    told = {name: error.get(name) for name in ("classes", "message", "call", "frames")}
    failure = {**told, "cause": parent.failure.cause, "index": split.index, "ref": reference(split.value)}
    return {"step": parent.step, "task": parent.id, "artifacts": {}, "failure": failure}


def _table_references(records: Mapping[str, Any], known: dict[int, str]) -> dict[str, str]:
    for record in records.values():
        if id(record) not in known:
            known[id(record)] = reference(record)
    return {name: known[id(record)] for name, record in records.items()}
