"""Steps of a run: what the flow says about them and how far they are."""
from __future__ import annotations

from typing import Any

from ..store.catalog import catch_up_tasks
from ..store.liveness import shown_status
from .finding import Found, find, spec_steps

__all__ = ["count_tasks", "get_step", "list_steps", "seen_status"]

Row = dict[str, Any]
# The worst thing that happened to a task of a step is what the step is called by.
_WORST_FIRST = ("running", "retrying", "lost", "interrupted", "failed", "caught", "done", "cloned")


def list_steps(session: Any, pathspec: str) -> list[Row]:
    found = find(session, pathspec, "run")
    started = session.store.runs.list_steps(found.flow, found.run)
    written = spec_steps(found.record)
    names = [step["name"] for step in written]
    # Records made by hand may lack the FlowSpec; what ran is shown all the same.
    rows = written + [{"name": name} for name in started if name not in names]
    return _rows(session, found, rows)


def get_step(session: Any, pathspec: str) -> Row:
    found = find(session, pathspec, "step")
    written = [step for step in spec_steps(found.record) if step["name"] == found.step]
    return _rows(session, found, written or [{"name": found.step}])[0]


def seen_status(status: str, run_status: str) -> str:
    """What a task reads as: when its run has ended it does not run any more, and will not be tried again."""
    if run_status == "running":
        return status
    over = {"running": "interrupted" if run_status == "interrupted" else "lost", "retrying": "failed"}
    return over.get(status, status)


def count_tasks(session: Any, found: Found, run_status: str) -> dict[str, dict[str, int]]:
    """{step: {status: how many tasks}}, as they read now."""
    unrecorded = catch_up_tasks(session.store, found.flow, found.run)
    counts = session.store.index.counts(found.flow, found.run)
    for step, _task in unrecorded:
        running = counts.setdefault(step, {})
        running["running"] = running.get("running", 0) + 1
    return {step: _seen(count, run_status) for step, count in counts.items()}


def _rows(session: Any, found: Found, steps: list[Row]) -> list[Row]:
    run_status = shown_status(session.store.runs.read_status(found.flow, found.run))
    counts = count_tasks(session, found, run_status)
    spans = session.store.index.spans(found.flow, found.run)
    return [_row(found, step, counts.get(step["name"], {}), spans, run_status) for step in steps]


def _row(found: Found, step: Row, counts: dict[str, int], spans: dict[str, Any], run_status: str) -> Row:
    name = step["name"]
    started_at, finished_at = spans.get(name, (None, None))
    status = _status(counts)
    return {
        "pathspec": f"{found.run_pathspec}/{name}",
        "flow": found.flow,
        "run": found.run,
        "step": name,
        "status": status,
        "idle": None if status else "not needed" if run_status == "completed" else "not started",
        "tasks": counts,
        "total": sum(counts.values()),
        "started_at": started_at,
        "finished_at": None if status == "running" else finished_at,
        "next": step.get("next") or [],
        "foreach": step.get("foreach"),
        "join": bool(step.get("join")),
        "language": step.get("language"),
        "decorators": step.get("decorators") or [],
    }


def _seen(counts: dict[str, int], run_status: str) -> dict[str, int]:
    seen: dict[str, int] = {}
    for status, count in counts.items():
        shown = seen_status(status, run_status)
        seen[shown] = seen.get(shown, 0) + count
    return seen


def _status(counts: dict[str, int]) -> str | None:
    """None for a step that has not started."""
    return next((status for status in _WORST_FIRST if counts.get(status)), None)
