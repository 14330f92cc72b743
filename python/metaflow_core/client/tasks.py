"""Tasks: rows of many from the index, everything about one from its record."""
from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Callable

from ..errors import NotFound
from ..store.catalog import catch_up_tasks, task_row
from ..store.liveness import shown_status
from .finding import Found, find, spec_step, spec_steps
from .steps import seen_status

__all__ = [
    "finished_record",
    "get_task",
    "in_order_of_start",
    "list_attempts",
    "list_children",
    "list_parents",
    "list_tasks",
    "no_attempt",
]

Row = dict[str, Any]
_INDEX = re.compile(r"\[(\d+)\](?:#\d+)?\Z")


def list_tasks(
    session: Any, pathspec: str, status: str | None = None, limit: int | None = None, offset: int = 0
) -> list[Row]:
    found = find(session, pathspec, "run", "step")
    unrecorded = catch_up_tasks(session.store, found.flow, found.run)
    run_status = _run_status(session, found)
    rows = session.store.index.tasks(found.flow, found.run, found.step)
    rows += [
        _running_row(found.flow, found.run, step, task, 0) for step, task in unrecorded if found.step in (None, step)
    ]
    rows.sort(key=_flow_order(found))
    seen = [_seen(row, run_status) for row in rows]
    wanted = [row for row in seen if status is None or row["status"] == status]
    return wanted[offset : None if limit is None else offset + limit]


def get_task(session: Any, pathspec: str, attempt: int | None = None) -> Row:
    found = find(session, pathspec, "task")
    attempts = session.store.tasks.read_attempts(found.flow, found.run, found.step, found.task)
    number = _chosen(found, attempts, attempt)
    record = attempts[number] or {}
    row = _seen(_attempt_row(found, number, attempts[number]), _run_status(session, found))
    return {
        **row,
        "finished": attempts[number] is not None, "ok": record.get("ok"),
        "attempts": list(attempts), "parents": _pathspecs(found, record), "stack": record.get("stack") or [],
        "seed": record.get("seed"), "usage": record.get("usage"), "host": record.get("host"), "pid": record.get("pid"),
        "exit": record.get("exit"), "error": record.get("error"), "caught": record.get("caught"),
        "created_at": record.get("created_at"), "logs": record.get("logs"),
        "cached": bool(record.get("cached")), "memo": record.get("memo"), "memoised": _is_memoised(found),
        "artifact_names": sorted(session.artifacts(pathspec, number)) if attempts[number] else [],
    }


def _is_memoised(found: Found) -> bool:
    described = spec_step(found, found.step) or {}
    return any(decorator["name"] == "cache" for decorator in described.get("decorators") or ())


def list_attempts(session: Any, pathspec: str) -> list[Row]:
    found = find(session, pathspec, "task")
    attempts = session.store.tasks.read_attempts(found.flow, found.run, found.step, found.task)
    run_status = _run_status(session, found)
    rows = []
    for number, record in attempts.items():
        row = _seen(_attempt_row(found, number, record), run_status)
        rows.append({**row, "error": (record or {}).get("error"), "exit": (record or {}).get("exit")})
    return rows


def list_parents(session: Any, pathspec: str) -> list[str]:
    found = find(session, pathspec, "task")
    return _pathspecs(found, finished_record(session, found))


def list_children(session: Any, pathspec: str) -> list[str]:
    found = find(session, pathspec, "task")
    described = spec_step(found, found.step)
    following = described.get("next") or [] if described else session.store.runs.list_steps(found.flow, found.run)
    me = f"{found.step}/{found.task}"
    records = session.store.tasks.read_tasks(found.flow, found.run, following)
    # Several attempts of one child have the same parents: name it once.
    children = [record for record in records if me in (record.get("parents") or ())]
    return list(dict.fromkeys(_pathspec(found, record["step"], record["task"]) for record in children))


def finished_record(session: Any, found: Found, attempt: int | None = None) -> Row:
    """task.json of an attempt; NotFound says which attempts there are and how far they are."""
    attempts = session.store.tasks.read_attempts(found.flow, found.run, found.step, found.task)
    number = _chosen(found, attempts, attempt)
    record = attempts[number]
    if record is None:
        raise NotFound(
            f"attempt {number} of {found.run_pathspec}/{found.step}/{found.task} has not finished"
            f" (the run is {_run_status(session, found)})",
            data={"pathspec": str(found.spec), "attempt": number},
        )
    return record


def _chosen(found: Found, attempts: dict[int, Row | None], attempt: int | None) -> int:
    """The attempt that was asked for; else the last that finished; else the last."""
    if attempt is None:
        return max((number for number, record in attempts.items() if record), default=max(attempts))
    if attempt not in attempts:
        raise no_attempt(found, attempt, attempts)
    return attempt


def in_order_of_start(rows: Iterable[Row]) -> list[Row]:
    """Those that have not started come last."""
    return sorted(rows, key=lambda row: (row["started_at"] is None, row["started_at"] or 0.0))


def no_attempt(found: Found, attempt: int, attempts: Iterable[int]) -> NotFound:
    known = list(attempts)
    only = {0: "it has none", 1: f"its only attempt is {known[0] if known else ''}"}
    told = only.get(len(known), f"its attempts are {', '.join(map(str, known))}")
    return NotFound(
        f"attempt {attempt} of {found.run_pathspec}/{found.step}/{found.task} does not exist; {told}",
        data={"pathspec": str(found.spec), "attempts": known},
    )


def _flow_order(found: Found) -> Callable[[Row], Any]:
    """Steps in the order of the flow, tasks as numbers."""
    place = {step["name"]: number for number, step in enumerate(spec_steps(found.record))}
    return lambda row: (place.get(row["step"], len(place)), row["step"], int(row["task"]))


def _seen(row: Row, run_status: str) -> Row:
    index = _INDEX.search(row["position"] or "")
    return {
        **row,
        "pathspec": f"{row['flow']}/{row['run']}/{row['step']}/{row['task']}",
        "status": seen_status(row["status"], run_status),
        "index": int(index.group(1)) if index else None,
    }


def _attempt_row(found: Found, attempt: int, record: Row | None) -> Row:
    """The row of one attempt, whatever came after it: one that failed has failed."""
    return task_row(record) if record else _running_row(found.flow, found.run, found.step, found.task, attempt)


def _running_row(flow: str, run: str, step: Any, task: Any, attempt: int) -> Row:
    row = task_row({"flow": flow, "run": run, "step": step, "task": task, "attempt": attempt})
    return {**row, "status": "running"}


def _run_status(session: Any, found: Found) -> str:
    return shown_status(session.store.runs.read_status(found.flow, found.run))


def _pathspecs(found: Found, record: Row) -> list[str]:
    return [_pathspec(found, *parent.split("/")[:2]) for parent in record.get("parents") or ()]


def _pathspec(found: Found, step: str, task: str) -> str:
    return f"{found.run_pathspec}/{step}/{task}"
