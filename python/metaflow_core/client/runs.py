"""Runs: rows of many from the index, everything about one from its records."""
from __future__ import annotations

from typing import Any

from ..contracts.index import check_where
from ..errors import UnknownOption
from ..nearest import did_you_mean
from ..store.catalog import catch_up_runs
from ..store.liveness import shown_status
from .finding import find, flow_missing
from .steps import count_tasks

__all__ = ["STATUSES", "end_record", "get_run", "get_spec", "latest_run", "list_runs", "shown"]

Row = dict[str, Any]
STATUSES = ("running", "completed", "failed", "interrupted", "lost")


def list_runs(
    session: Any, flow: str | None = None, where: Row | None = None, limit: int | None = None, offset: int = 0
) -> list[Row]:
    conditions = check_where(where)
    conditions.setdefault("namespace", session.namespace)
    wanted = _wanted_statuses(conditions.get("status"))
    catch_up_runs(session.store, flow)
    index = session.store.index
    if flow is not None and not index.run_ids(flow):
        raise flow_missing(session, flow)
    if wanted is None or not wanted & {"running", "lost"}:
        return [shown(session, row) for row in index.runs(flow, conditions, limit, offset)]
    # "lost" is what a running run reads as, so both are one status in the index and are told apart here.
    conditions["status"] = sorted(wanted - {"lost"} | {"running"})
    rows = [row for row in (shown(session, row) for row in index.runs(flow, conditions)) if row["status"] in wanted]
    return rows[offset : None if limit is None else offset + limit]


def latest_run(session: Any, flow: str, successful: bool = False) -> Row | None:
    if not session.store.runs.list_runs(flow):
        return None
    rows = list_runs(session, flow, {"status": "completed"} if successful else None, limit=1)
    return rows[0] if rows else None


def shown(session: Any, row: Row) -> Row:
    """An index row as the user sees it: with its pathspec, and the status as it is now."""
    status = row["status"]
    if status == "running":
        status = shown_status(session.store.runs.read_status(row["flow"], row["run"]))
    return {
        **row,
        "pathspec": f"{row['flow']}/{row['run']}",
        "status": status,
        "finished": status != "running",
        "successful": status == "completed",
    }


def get_run(session: Any, pathspec: str) -> Row:
    found = find(session, pathspec, "run")
    record, status = found.record, session.store.runs.read_status(found.flow, found.run)
    shown_now = shown_status(status)
    origin = (record.get("origin") or {}).get("run")
    end = end_record(session, found)
    return {
        "pathspec": found.run_pathspec, "flow": found.flow, "run": found.run,
        "status": shown_now, "finished": shown_now != "running", "successful": shown_now == "completed",
        "created_at": record.get("created_at"), "started_at": status.get("started_at"),
        "finished_at": status.get("finished_at"), "heartbeat_at": status.get("heartbeat_at"),
        "user": record.get("user"), "host": record.get("host"), "pid": status.get("pid"),
        "namespace": record.get("namespace"), "tags": found.tags["tags"],
        "system_tags": sorted(record.get("system_tags") or ()),
        "origin_run": origin, "origin_pathspec": f"{found.flow}/{origin}" if origin else None,
        "resume_step": record.get("resume_step"), "script": record.get("script"), "argv": record.get("argv"),
        "seed": record.get("seed"), "parameters": record.get("parameters") or {},
        "versions": record.get("versions"), "git": record.get("git"), "max_workers": record.get("max_workers"),
        "code": record.get("code"), "package": record.get("package"), "code_digests": record.get("code_digests") or {},
        "tasks": _task_counts(session, found, status, shown_now), "error": status.get("error"),
        "end_task": f"{found.run_pathspec}/end/{end['task']}" if end else None,
    }


def get_spec(session: Any, pathspec: str) -> Row:
    return find(session, pathspec, "run").record.get("spec") or {}


def _task_counts(session: Any, found: Any, status: Row, shown_now: str) -> Row:
    """How many tasks ended how. A scheduler that was killed had no time to count its last ones."""
    if shown_now != "lost":
        return status["tasks"]
    steps = count_tasks(session, found, shown_now).values()
    # A clone is done, too: it is counted in both, as the scheduler does.
    kinds = {"done": ("done", "caught", "cloned"), "failed": ("failed",), "cloned": ("cloned",)}
    return {kind: sum(step.get(word, 0) for step in steps for word in words) for kind, words in kinds.items()}


def end_record(session: Any, found: Any) -> Row | None:
    """The record of the finished task of the end step."""
    records = session.store.tasks.read_tasks(found.flow, found.run, ["end"])
    return next((record for record in reversed(records) if record.get("ok")), None)


def _wanted_statuses(status: Any) -> set | None:
    if status is None:
        return None
    wanted = {status} if isinstance(status, str) else set(status)
    for word in wanted:
        if word not in STATUSES:
            raise UnknownOption(f"runs have no status {word!r}", hint=did_you_mean(word, STATUSES))
    return wanted
