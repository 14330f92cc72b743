"""The record of an attempt (`task.json`), put together from what the engine knows and what the worker left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import Corrupted
from .table import FLAT

if TYPE_CHECKING:  # a task runner needs this file, and neither the scheduler nor the index
    from ..store.open import Store
    from .position import Frame
    from .states import Task

__all__ = ["adopted_record", "attempt_record", "carried_records", "clone_record", "reference", "remote_record"]


_FILES = {"file-text": -1, "file-bytes": -2}


def reference(artifact: Mapping[str, Any]) -> str:
    """An artifact record as the worker wants it: "<blob> <offset> <size> <digest>" (R/artifact-ref.R)."""
    digest = artifact["digest"]
    # An included file is not an R value: its bytes are the blob (R/include-file.R), a text or not.
    offset = _FILES.get(artifact.get("encoding"), artifact.get("offset") or 0)
    return f"{artifact.get('blob') or digest} {offset} {artifact['size']} {digest or '-'}"


def carried_records(carried: Mapping[str, str], tables: Iterable[Any]) -> dict[str, Any]:
    """Records of the artifacts that a join took over. `tables` of its inputs answer `get(name)`."""
    tables = list(tables)
    found = {}
    for name, ref in (carried or {}).items():
        digest = ref.rsplit(" ", 1)[1]
        record = next(
            (r for r in (table.get(name) for table in tables) if r is not None and r["digest"] == digest), None
        )
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
        "cached": task.remembered,
        **{field: origin.get(field) for field in same},
        **_seen(origin),
        **_order(origin),
    }


def adopted_record(
    store: Store, flow: str, run: str, step: str, task: str, attempt: int,
    result: Mapping[str, Any], kept: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of an attempt whose scheduler died before it could write it."""
    return {**remote_record(store, flow, run, step, task, attempt, result, kept), "adopted": True}


def remote_record(
    store: Store, flow: str, run: str, step: str, task: str, attempt: int,
    result: Mapping[str, Any], kept: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of an attempt, put together by whoever has only the datastore: what the task inherits and what a join
    took over is looked up there. `result` has "position", "parents" and "frames" besides what the worker left."""
    own, inherits = dict(kept["artifacts"]), None
    if result["ok"]:
        own, inherits = _with_inherited(store, flow, run, result, own)
    return {
        "format": 1, "flow": flow, "run": run, "step": step, "task": task, "attempt": attempt,
        "position": result["position"], "parents": result["parents"], "stack": result.get("frames") or [],
        "removed": [], "ok": bool(result["ok"]), "inherits": inherits, "artifacts": own, **_left(result, kept),
        "logs": store.logs.sizes(flow, run, step, task, attempt),
        **_noted(result, kept),
    }


def _noted(result: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """For a memoised step (memory.py): what the task did itself, and what it looked at."""
    if not result["ok"] or result.get("memo") is None:
        return {}
    own = {*kept["artifacts"], *(result.get("carried") or {})}
    return {"memo": {**result["memo"], "own": sorted(own), "forgotten": None, "trace": result.get("trace")}}


def _with_inherited(
    store: Store, flow: str, run: str, result: Mapping[str, Any], own: dict[str, Any]
) -> tuple[dict[str, Any], str | None]:
    """(artifacts, the "step/task/attempt" that has the rest or None) of a task that ended well."""
    keys = result["parents"]
    if result.get("join"):
        # A join over ten thousand inputs that took nothing over has no need to see them.
        carried = result.get("carried") or {}
        parents = [store.tasks.read_task(flow, run, *key.split("/")) for key in keys] if carried else []
        known: dict[str, Any] = {}
        own.update(carried_records(carried, [store.tasks.resolve_artifacts(parent, known) for parent in parents]))
        return own, None
    if not keys:
        return own, None
    parent = store.tasks.read_task(flow, run, *keys[0].split("/"))
    if parent.get("inherits") is None and len(parent["artifacts"]) <= FLAT:
        return {**parent["artifacts"], **own}, None
    return own, f"{parent['step']}/{parent['task']}/{parent['attempt']}"


def _left(result: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the worker left, but for its artifacts."""
    same = ("started_at", "finished_at", "seed", "usage", "caught")
    error = result.get("error")
    return {
        "splits": kept.get("splits"),
        "choice": result.get("condition"),
        "origin": None,
        "error": None if error is None else {**error, "condition": kept.get("condition"), "dump": kept.get("dump")},
        **{field: result.get(field) for field in same},
        **_seen(result),
        **_order(kept),
    }


def _order(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What an attempt that failed, caught or not, was told to do, for whoever looks for the reason."""
    return {"order": kept["order"]} if kept.get("order") else {}


def _seen(said: Mapping[str, Any]) -> dict[str, Any]:
    """What a task looked at (R/memory-trace.R): artifacts of its run, and those of others through the client."""
    return {field: said[field] for field in ("used", "reads") if said.get(field) is not None}


def _place(flow: str, run: str, task: Task) -> dict[str, Any]:
    return {
        "format": 1, "flow": flow, "run": run, "step": task.step, "task": task.id, "attempt": task.attempt,
        "position": task.position, "parents": [parent.key for parent in task.parents],
        "stack": frames(task.stack), "removed": [],
    }


def frames(stack: tuple[Frame, ...]) -> list[dict[str, Any]]:
    return [frame.to_dict() for frame in stack]
