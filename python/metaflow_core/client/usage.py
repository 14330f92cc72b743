"""What the tasks of a run used, and what their steps therefore need."""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import ceil
from typing import Any

from ..store.liveness import shown_status
from ..store.tasks import blob_of
from .finding import find, spec_steps
from .steps import seen_status

__all__ = ["percentile", "step_usage", "suggested_resources", "timeline"]

Row = dict[str, Any]
_SHARE = 0.95
_BAR = ("step", "task", "attempt", "status", "started_at", "finished_at")
_MEGABYTE = 1_000_000
# Memory is suggested in whole steps: the largest of these that is not more than a quarter of what is needed.
_ROUND_MB = (50, 100, 250, 500, 1000, 2500, 5000)


def step_usage(session: Any, pathspec: str) -> dict[str, Row]:
    """{step: {"measured", "memory_p95_bytes", "memory_max_bytes", "cpu_p95", "cpu_seconds", "stored_bytes", "cached",
    "suggested", "asked"}} of the steps of a run that have a finished attempt.

    `cpu_p95` is in cores. Memory and cores count what was measured, for a task that was taken over where it ran; CPU
    seconds are those that this run spent. `stored_bytes` are the artifacts that were new when the step made them.
    """
    found = find(session, pathspec, "run")
    decorators = {step["name"]: step.get("decorators") or [] for step in spec_steps(found.record)}
    records = sorted(session.store.tasks.read_tasks(found.flow, found.run), key=_time)
    seen: set[str] = set()
    rows = {}
    by_step: dict[str, list[Row]] = {}
    for record in records:
        by_step.setdefault(record["step"], []).append(record)
    # Steps by when they first finished: an artifact is counted where it appeared, not where it was passed on.
    for step, own in by_step.items():
        usages = [record["usage"] for record in own if record.get("usage")]
        memory = [usage["max_rss_bytes"] for usage in usages if usage.get("max_rss_bytes")]
        cores = [_cores(usage) for usage in usages if usage.get("wall")]
        here = [record["usage"] for record in own if record.get("usage") and not record.get("origin")]
        row = {
            "measured": len(usages),
            "memory_p95_bytes": percentile(memory, _SHARE),
            "memory_max_bytes": max(memory, default=None),
            "cpu_p95": percentile(cores, _SHARE),
            "cpu_seconds": sum(_cpu_seconds(usage) for usage in here) if here else None,
            "stored_bytes": _new_bytes(own, seen),
            "cached": sum(1 for record in own if record.get("cached")),
            "asked": _asked(decorators.get(step, ())),
        }
        rows[step] = {**row, "suggested": suggested_resources(row["cpu_p95"], row["memory_p95_bytes"])}
    return rows


def suggested_resources(cores: float | None, memory_bytes: float | None) -> Row | None:
    """What to ask for: {"cpu": whole cores, "memory": MB}, None where nothing was measured.

    A fifth of a core more than a whole number is taken for the noise that it is; memory is rounded up.
    """
    if cores is None or memory_bytes is None:
        return None
    megabytes = memory_bytes / _MEGABYTE
    step = max((size for size in _ROUND_MB if size <= megabytes / 4), default=_ROUND_MB[0])
    return {"cpu": max(1, ceil(cores - 0.2)), "memory": ceil(megabytes / step) * step}


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest of the values that is not less than `share` of them."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else None


def timeline(session: Any, pathspec: str) -> list[Row]:
    """The attempts of a run that have begun, by their start: {"step", "task", "attempt", "status", "started_at",
    "finished_at"}. "retrying" is one that failed and was tried again. An attempt that has not finished is on the line
    when its start is known; those that were taken over ran in another run, at an earlier time."""
    found = find(session, pathspec, "run")
    run_status = shown_status(session.store.runs.read_status(found.flow, found.run))
    rows = [_bar(record) for record in session.store.tasks.read_tasks(found.flow, found.run)]
    known = {(row["step"], row["task"], row["attempt"]) for row in rows}
    for task in session.tasks(pathspec):
        if (task["step"], task["task"], task["attempt"]) not in known:
            rows.append({name: task.get(name) for name in _BAR})
    latest: dict[tuple[str, str], int] = {}
    for row in rows:
        latest[row["step"], row["task"]] = max(row["attempt"], latest.get((row["step"], row["task"]), 0))
    for row in rows:
        tried_again = row["status"] == "failed" and row["attempt"] < latest[row["step"], row["task"]]
        row["status"] = "retrying" if tried_again else seen_status(row["status"], run_status)
    return sorted((row for row in rows if row["started_at"] is not None), key=lambda row: row["started_at"])


def _bar(record: Mapping[str, Any]) -> Row:
    status = "failed" if not record.get("ok") else "caught" if record.get("caught") else "done"
    return {
        "step": record["step"], "task": record["task"], "attempt": record["attempt"],
        "status": "cloned" if record.get("origin") else status,
        "started_at": record.get("started_at"), "finished_at": record.get("finished_at"),
    }


def _time(record: Mapping[str, Any]) -> float:
    return record.get("finished_at") or 0.0


def _cpu_seconds(usage: Mapping[str, Any]) -> float:
    return float(usage.get("user") or 0) + float(usage.get("system") or 0)


def _cores(usage: Mapping[str, Any]) -> float:
    """Cores that a task kept busy. The clocks are too coarse to believe in several during less than a second."""
    cores = _cpu_seconds(usage) / usage["wall"]
    return cores if usage["wall"] >= 1 else min(cores, 1.0)


def _new_bytes(records: Iterable[Mapping[str, Any]], seen: set[str]) -> int:
    total = 0
    for record in records:
        for artifact in (record.get("artifacts") or {}).values():
            digest = artifact.get("digest") or str(blob_of(artifact))
            if digest not in seen:
                seen.add(digest)
                total += artifact["size"]
    return total


def _asked(decorators: Iterable[Mapping[str, Any]]) -> Row:
    """What the decorators of a step ask for, the last one that says it."""
    asked: Row = {}
    for decorator in decorators:
        args = decorator.get("args") or {}
        asked.update({name: args[name] for name in ("cpu", "memory") if args.get(name) is not None})
    return asked
