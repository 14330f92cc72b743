"""Browsing: what runs produced, for the R client.

R asks once for a view (where the datastore is, through which namespace), keeps it, and hands it back with every
question. So a client that was made before `setwd()`, `Sys.setenv()` or `set_namespace()` goes on looking at the same
place. A view is {"datastore", "datastore_root", "index", "metadata", "namespace": [tag or None]}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..client import Session
from ..settings import Settings, load_settings
from ..store.tasks import blob_of
from .sessions import settings_of, store_of

__all__ = ["METHODS"]

Row = dict[str, Any]
_PLACE = ("datastore", "datastore_root", "index")
_settings: dict[tuple[str, ...], Settings] = {}


def view(settings: Row, namespace: list[str | None]) -> Row:
    """`namespace` is empty for the default one."""
    loaded = settings_of(settings)
    place = {name: getattr(loaded, name) for name in (*_PLACE, "metadata")}
    _settings[_key(place)] = loaded
    return {**place, "namespace": namespace or [loaded.default_namespace]}


def _session(view: Row) -> Session:
    # The store is shared and remembers nothing about runs; a session does, so each question gets its own: a datastore
    # that was deleted and made anew must not be answered from memory.
    key = _key(view)
    if key not in _settings:
        _settings[key] = load_settings(arguments=dict(zip(_PLACE, key)))
    return Session(_settings[key], view["namespace"][0], store_of(_settings[key]))


def _key(place: Row) -> tuple[str, ...]:
    return tuple(place[name] for name in _PLACE)


# -- many rows cross as columns, which R reads ten times as fast as rows

_RUN_COLUMNS = (
    "flow", "run", "status", "successful", "created_at", "started_at", "finished_at", "user", "tags", "origin_run",
)
_TASK_COLUMNS = (
    "step", "task", "attempt", "position", "index", "status", "started_at", "finished_at", "cause", "message",
    "origin", "max_rss_bytes",
)
_LINE_COLUMNS = ("step", "task", "attempt", "stream", "line")


def runs(view: Row, flow: str | None = None, where: Row | None = None, limit: int | None = None) -> Row:
    return _columns(_session(view).runs(flow, where, limit), _RUN_COLUMNS)


def run_ids(view: Row, flow: str, tags: Iterable[str] = ()) -> list[str]:
    return [row["run"] for row in _session(view).runs(flow, {"tags_all": list(tags)})]


def tasks(view: Row, pathspec: str) -> Row:
    return _columns(_session(view).tasks(pathspec), _TASK_COLUMNS)


def lines(view: Row, pathspec: str, streams: list[str], attempt: int | None = None) -> Row:
    session = _session(view)
    if attempt is None:
        return _columns(session.loglines(pathspec, streams), _LINE_COLUMNS)
    found = session.task(pathspec, attempt)
    rows = []
    for stream in streams:
        text = session.log(pathspec, stream, attempt)["text"]
        about = {"step": found["step"], "task": found["task"], "attempt": attempt, "stream": stream}
        rows += [{**about, "line": line} for line in text.splitlines()]
    return _columns(rows, _LINE_COLUMNS)


def _columns(rows: list[Row], names: Iterable[str]) -> Row:
    return {name: [row.get(name) for row in rows] for name in names}


# -- what the R client adds up or puts together


def summary(view: Row, pathspec: str) -> list[Row]:
    """The steps of a run, each with the largest peak memory of its tasks."""
    session = _session(view)
    peaks: dict[str, int] = {}
    for task in session.tasks(pathspec):
        if task["max_rss_bytes"] is not None:
            peaks[task["step"]] = max(task["max_rss_bytes"], peaks.get(task["step"], 0))
    return [{**step, "max_rss_bytes": peaks.get(step["step"])} for step in steps(view, pathspec)]


def steps(view: Row, pathspec: str) -> list[Row]:
    session = _session(view)
    return [_in_own_time(session, row) for row in session.steps(pathspec)]


def step(view: Row, pathspec: str) -> Row:
    session = _session(view)
    return _in_own_time(session, session.step(pathspec))


def _in_own_time(session: Session, step: Row) -> Row:
    """Tasks that were taken over ran in another run, perhaps last week: the time of a step is that of the others."""
    if not step["tasks"].get("cloned"):
        return step
    own = [task for task in session.tasks(step["pathspec"]) if task["status"] != "cloned"]
    started = [task["started_at"] for task in own if task["started_at"] is not None]
    finished = [task["finished_at"] for task in own if task["finished_at"] is not None]
    running = step["status"] == "running"
    return {
        **step, "started_at": min(started, default=None),
        "finished_at": None if running else max(finished, default=None),
    }


def parameters(view: Row, pathspec: str) -> dict[str, Row]:
    """Where the values of a run's parameters are, also when no task of it has finished."""
    session = _session(view)
    return {name: _place(session, record) for name, record in session.run(pathspec)["parameters"].items()}


def _place(session: Session, record: Row) -> Row:
    blob, offset, size = blob_of(record)
    return {**record, "path": session.store.blobs.path(blob), "blob": blob, "offset": offset, "size": size}


def change_tags(view: Row, pathspec: str, add: list[str], remove: list[str]) -> Row:
    return _session(view).replace_tags(pathspec, remove, add)


def is_visible(view: Row, pathspec: str) -> bool:
    """Whether the namespace of the view lets this flow, run, or part of a run be seen."""
    from ..errors import NamespaceMismatch

    session, parts = _session(view), pathspec.split("/")
    try:
        session.flow(pathspec) if len(parts) == 1 else session.run("/".join(parts[:2]))
    except NamespaceMismatch:
        return False
    return True


def _asked(name: str) -> Callable[..., Any]:
    """A method of the session as it is."""

    def ask(view: Row, **arguments: Any) -> Any:
        return getattr(_session(view), name)(**arguments)

    return ask


METHODS: dict[str, Callable[..., Any]] = {
    "view": view, "runs": runs, "run_ids": run_ids, "tasks": tasks, "lines": lines, "summary": summary,
    "steps": steps, "step": step, "parameters": parameters, "change_tags": change_tags, "is_visible": is_visible,
    **{
        name: _asked(name)
        for name in (
            "flows", "flow", "run", "latest_run", "task", "attempts", "parents", "children",
            "artifacts", "locate", "condition", "log", "code_files", "code_file", "code_extract", "captured_code",
            "reindex",
        )
    },
}
