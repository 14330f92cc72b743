"""The record of an attempt (`task.json`), put together from what the engine knows and what the worker left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import Corrupted
from ..store.open import Store
from .position import Frame
from .states import Task
from .table import FLAT

__all__ = ["adopted_record", "attempt_record", "carried_records", "clone_record", "reference"]


def reference(artifact: Mapping[str, Any]) -> str:
    """An artifact record as the worker wants it: "<blob> <offset> <size> <digest>" (R/artifact-ref.R)."""
    digest = artifact["digest"]
    return f"{artifact.get('blob') or digest} {artifact.get('offset') or 0} {artifact['size']} {digest or '-'}"


def carried_records(carried: Mapping[str, str], tables: Iterable[Any]) -> dict[str, Any]:
    """Records of the artifacts that a join took over. `tables` of its inputs answer `get(name)`."""
    tables = list(tables)
    found = {}
    for name, ref in (carried or {}).items():
        digest = ref.rsplit(" ", 1)[1]
        record = next((r for r in (table.get(name) for table in tables) if r is not None and r["digest"] == digest), None)
        if record is None:
            raise Corrupted(f"a join took over '{name}' with digest {digest}, which none of its inputs has")
        found[name] = record
    return found


def attempt_record(
    flow: str, run: str, task: Task, result: Mapping[str, Any], kept: Mapping[str, Any], ok: bool
) -> dict[str, Any]:
    """The record of a local attempt. Its artifacts are filled in from the task's table once it is known."""
    return {
        **_place(flow, run, task),
        "ok": ok,
        "inherits": None,
        "artifacts": dict(kept.get("artifacts") or {}),
        **_left(result, kept),
    }


def clone_record(flow: str, run: str, task: Task, origin: Mapping[str, Any], created_at: float) -> dict[str, Any]:
    """A task whose outcome is that of a task of another run: the same artifacts, its logs are read there."""
    same = ("splits", "choice", "started_at", "finished_at", "seed", "usage", "caught", "error", "logs", "host")
    return {
        **_place(flow, run, task),
        "ok": True,
        "inherits": None,
        "artifacts": {},
        "origin": task.origin,
        "cloned_at": created_at,
        **{field: origin.get(field) for field in same},
    }


def adopted_record(
    store: Store, flow: str, run: str, step: str, task: str, attempt: int,
    result: Mapping[str, Any], kept: Mapping[str, Any], parents: list[dict[str, Any]],
) -> dict[str, Any]:
    """The record of an attempt whose scheduler died before it could write it."""
    own = dict(kept["artifacts"])
    own.update(carried_records(result.get("carried") or {}, [store.tasks.resolve_artifacts(p) for p in parents]))
    inherits = None
    if parents and not result.get("join"):
        parent = parents[0]
        if parent.get("inherits") is None and len(parent["artifacts"]) <= FLAT:
            own = {**parent["artifacts"], **own}
        else:
            inherits = f"{parent['step']}/{parent['task']}/{parent['attempt']}"
    return {
        "format": 1, "flow": flow, "run": run, "step": step, "task": task, "attempt": attempt,
        "position": result["position"], "parents": result["parents"], "stack": result.get("frames") or [],
        "removed": [], "ok": True, "inherits": inherits, "artifacts": own, **_left(result, kept),
        "adopted": True, "logs": store.logs.sizes(flow, run, step, task, attempt),
    }


def _left(result: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the worker left, but for its artifacts."""
    same = ("started_at", "finished_at", "seed", "usage", "caught")
    error = result.get("error")
    return {
        "splits": kept.get("splits"),
        "choice": result.get("condition"),
        "origin": None,
        "error": None if error is None else {**error, "condition": kept.get("condition")},
        **{field: result.get(field) for field in same},
    }


def _place(flow: str, run: str, task: Task) -> dict[str, Any]:
    return {
        "format": 1, "flow": flow, "run": run, "step": task.step, "task": task.id, "attempt": task.attempt,
        "position": task.position, "parents": [parent.key for parent in task.parents],
        "stack": frames(task.stack), "removed": [],
    }


def frames(stack: tuple[Frame, ...]) -> list[dict[str, Any]]:
    return [frame.to_dict() for frame in stack]
