"""The index beside the store: what each read must do so that the index is never behind.

The store is written first and the index right after, so a process that is killed in between
leaves an index that is behind by that one record. Readers catch up at little cost:

* a run that is missing shows as a folder without a row (one listing of folder names);
* a status that moved on is one of a row that says "running", tags that moved on belong to a
  row marked as changing: only these are read again;
* tasks of a run are compared by the folder names of their steps.
"""
from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ..errors import MetaflowError

__all__ = ["catch_up_runs", "catch_up_tasks", "change_tags", "fill", "reindex", "task_row"]

Row = dict[str, Any]
_BATCH = 500  # runs read at once: bounds the memory of a rebuild


def fill(store: Any, index: Any) -> list[str]:
    """Merge all runs of the store into `index`. Returns what could not be read, one line each.

    Tasks are not read here: those of a run come in when somebody first looks at that run.
    """
    problems: list[str] = []
    for flow in store.runs.list_flows():
        _record_runs(store, index, flow, store.runs.list_runs(flow), problems)
    return problems


def reindex(store: Any) -> Row:
    """Make the index equal to the store, tasks included: {"flows", "runs", "tasks", "problems"}."""
    index, problems, tasks = store.index, [], 0
    for flow in _all_flows(store):
        runs = store.runs.list_runs(flow)
        _forget(store, flow, runs)
        _record_runs(store, index, flow, runs, problems)
        for run in runs:
            tasks += len(_guarded(partial(_record_tasks, store, flow, run), problems) or ())
    flows = index.flows()
    return {"flows": len(flows), "runs": sum(row["runs"] for row in flows), "tasks": tasks, "problems": problems}


def catch_up_runs(store: Any, flow: str | None = None) -> None:
    """Bring the rows of runs (of one flow, or of all) up to the store."""
    index = store.index
    for name in [flow] if flow is not None else _all_flows(store):
        there = store.runs.list_runs(name)
        known = index.run_ids(name)
        if len(known) != len(there) or not known.issuperset(there):
            _record_runs(store, index, name, [run for run in there if run not in known], [])
            _forget(store, name, there)
    behind: dict[str, list[str]] = {}
    for name, run in index.unsettled(flow):
        behind.setdefault(name, []).append(run)
    for name, runs in behind.items():
        _settle(store, index, name, runs)


def catch_up_tasks(store: Any, flow: str, run: str) -> list[tuple[str, str]]:
    """Bring the rows of a run's tasks up to the store.

    Returns the (step, task) that have a folder and nothing else: they started a moment ago, or died young.
    """
    there = {step: store.runs.list_tasks(flow, run, step) for step in store.runs.list_steps(flow, run)}
    rows = store.index.tasks(flow, run, all_attempts=True)
    known = {(row["step"], row["task"]) for row in rows}
    behind = {row["step"] for row in rows if row["status"] == "running"}
    behind.update(step for step, tasks in there.items() if any((step, task) not in known for task in tasks))
    if not behind:
        return []
    known.update(_record_tasks(store, flow, run, sorted(behind)))
    return [(step, task) for step, tasks in there.items() for task in tasks if (step, task) not in known]


def change_tags(store: Any, flow: str, run: str, change: Any) -> Row:
    """Change user tags in the store and in the index; `change(set) -> tags`. Returns tags.json."""
    store.index.mark_changing(flow, run)
    tags = store.runs.change_tags(flow, run, change)
    store.index.record_tags(flow, run, tags)
    return tags


def task_row(record: Row, last: bool = True) -> Row:
    """The index row of a task.json; `last`: no later attempt follows it."""
    error = record.get("error") or {}
    usage = record.get("usage") or {}
    return {
        "flow": record["flow"], "run": record["run"], "step": record["step"], "task": record["task"],
        "attempt": record["attempt"], "position": record.get("position"), "status": _status(record, last),
        "started_at": record.get("started_at"), "finished_at": record.get("finished_at"),
        "cause": error.get("cause"), "message": error.get("message"), "origin": record.get("origin"),
        "max_rss_bytes": usage.get("max_rss_bytes"), "user_seconds": usage.get("user"),
    }


def _status(record: Row, last: bool) -> str:
    if not record.get("ok"):
        return "failed" if last else "retrying"
    if record.get("origin"):
        return "cloned"
    return "caught" if record.get("caught") else "done"


def _all_flows(store: Any) -> list[str]:
    return sorted({*store.runs.list_flows(), *(row["flow"] for row in store.index.flows())})


def _record_runs(store: Any, index: Any, flow: str, runs: list[str], problems: list[str]) -> None:
    for start in range(0, len(runs), _BATCH):
        index.record_runs(_read_runs(store, flow, runs[start : start + _BATCH], problems))


def _read_runs(store: Any, flow: str, runs: list[str], problems: list[str]) -> list[Any]:
    try:
        return list(store.runs.read_runs(flow, runs).values())
    except MetaflowError:
        # One damaged record must not hide the others: read them one by one.
        triples = []
        for run in runs:
            triples += (_guarded(partial(store.runs.read_runs, flow, [run]), problems) or {}).values()
        return triples


def _record_tasks(store: Any, flow: str, run: str, steps: Iterable[str] | None = None) -> list[tuple[str, str]]:
    """Put the finished attempts of a run into the index; the (step, task) of each."""
    records = store.tasks.read_tasks(flow, run, steps)
    latest = {(record["step"], record["task"]): record["attempt"] for record in records}
    rows = [task_row(record, latest[record["step"], record["task"]] == record["attempt"]) for record in records]
    if rows:
        store.index.record_tasks(rows, keep=True)
    return [(row["step"], row["task"]) for row in rows]


def _settle(store: Any, index: Any, flow: str, runs: list[str]) -> None:
    for run, (_record, status, tags) in store.runs.read_runs(flow, runs).items():
        row = index.run(flow, run)
        if row is None:
            continue
        if status["status"] != "running" or status["heartbeat_at"] != row["heartbeat_at"]:
            index.record_status(flow, run, status)
        if tags["tags"] != row["tags"]:
            index.record_tags(flow, run, tags)


def _forget(store: Any, flow: str, there: Iterable[str]) -> None:
    # Asked one by one: a run that was claimed since `there` was listed must stay.
    gone = [run for run in store.index.run_ids(flow).difference(there) if not store.runs.exists(flow, run)]
    if gone:
        store.index.forget_runs(flow, gone)


def _guarded(action: Any, problems: list[str]) -> Any:
    try:
        return action()
    except MetaflowError as err:
        problems.append(err.message)
        return None
