"""Browsing: what runs produced, for the R client.

R asks once for a view (where the datastore is, through which namespace), keeps it, and hands it back with every
question. So a client that was made before `setwd()`, `Sys.setenv()` or `set_namespace()` goes on looking at the same
place. A view is {the settings in sessions.PLACE, "metadata", "namespace": [tag or None]}.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..client import Session, finding
from ..client.usage import step_usage, timeline
from ..settings import Settings, load_settings
from ..store.open import Store
from ..store.tasks import blob_of
from .sessions import PLACE, settings_of, store_of

__all__ = ["METHODS", "session_of_view", "settings_of_view", "store_of_view"]

Row = dict[str, Any]
_settings: dict[tuple[Any, ...], Settings] = {}


def view(settings: Row, namespace: list[str | None]) -> Row:
    """`namespace` is empty for the default one."""
    loaded = settings_of(settings)
    place = {name: getattr(loaded, name) for name in (*PLACE, "metadata")}
    _settings[_key(place)] = loaded
    return {**place, "namespace": namespace or [loaded.default_namespace]}


def session_of_view(view: Row) -> Session:
    # The store is shared and remembers nothing about runs; a session does, so each question gets its own: a datastore
    # that was deleted and made anew must not be answered from memory.
    settings = settings_of_view(view)
    return Session(settings, view["namespace"][0], store_of(settings))


def settings_of_view(view: Row) -> Settings:
    key = _key(view)
    if key not in _settings:
        _settings[key] = load_settings(arguments=dict(zip(PLACE, key)))
    return _settings[key]


def store_of_view(view: Row) -> Store:
    return store_of(settings_of_view(view))


def _key(place: Row) -> tuple[Any, ...]:
    return tuple(place.get(name) for name in PLACE)


# -- many rows cross as columns, which R reads ten times as fast as rows

_RUN_COLUMNS = (
    "flow", "run", "status", "successful", "created_at", "started_at", "finished_at", "user", "tags", "origin_run",
)
_TASK_COLUMNS = (
    "step", "task", "attempt", "position", "index", "status", "started_at", "finished_at", "cause", "message",
    "origin", "max_rss_bytes",
)
_LINE_COLUMNS = ("step", "task", "attempt", "stream", "line")


def find(view: Row, pathspec: str, level: str) -> str:
    """The pathspec of a run, step or task that exists and may be seen; "latest_run" in it is a number then."""
    return str(finding.find(session_of_view(view), pathspec, level).spec)


def runs(view: Row, flow: str | None = None, where: Row | None = None, limit: int | None = None) -> Row:
    return _columns(session_of_view(view).runs(flow, where, limit), _RUN_COLUMNS)


def run_tags(view: Row, flow: str) -> Row:
    return _columns(session_of_view(view).runs(flow), ("run", "tags", "system_tags"))


def run_ids(view: Row, flow: str, tags: Iterable[str] = ()) -> list[str]:
    return [row["run"] for row in session_of_view(view).runs(flow, {"tags_all": list(tags)})]


def tasks(view: Row, pathspec: str) -> Row:
    return _columns(session_of_view(view).tasks(pathspec), _TASK_COLUMNS)


def lines(view: Row, pathspec: str, streams: list[str], attempt: int | None = None, times: bool = False) -> Row:
    found = session_of_view(view).loglines(pathspec, streams, attempt, times)
    return _columns(found, (*_LINE_COLUMNS, "time") if times else _LINE_COLUMNS)


def _columns(rows: list[Row], names: Iterable[str]) -> Row:
    return {name: [row.get(name) for row in rows] for name in names}


# -- what the R client adds up or puts together


def summary(view: Row, pathspec: str) -> list[Row]:
    """The steps of a run, each with what its tasks used and need (client/usage.py)."""
    session = session_of_view(view)
    used = step_usage(session, pathspec)
    return [{**step, "usage": used.get(step["step"])} for step in steps(view, pathspec)]


_BAR_COLUMNS = ("step", "task", "attempt", "status", "started_at", "finished_at")


def bars(view: Row, pathspec: str) -> Row:
    """The attempts of a run on its time line."""
    return _columns(timeline(session_of_view(view), pathspec), _BAR_COLUMNS)


def steps(view: Row, pathspec: str) -> list[Row]:
    session = session_of_view(view)
    return [_in_own_time(session, row) for row in session.steps(pathspec)]


def step(view: Row, pathspec: str) -> Row:
    session = session_of_view(view)
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
    session = session_of_view(view)
    return {name: _place(session, record) for name, record in session.run(pathspec)["parameters"].items()}


def _place(session: Session, record: Row) -> Row:
    blob, offset, size = blob_of(record)
    return {**record, "path": session.store.blobs.path(blob), "blob": blob, "offset": offset, "size": size}


def change_tags(view: Row, pathspec: str, add: list[str], remove: list[str]) -> Row:
    return session_of_view(view).replace_tags(pathspec, remove, add)


def is_visible(view: Row, pathspec: str) -> bool:
    """Whether the namespace of the view lets this flow, run, or part of a run be seen."""
    from ..errors import NamespaceMismatch

    session, parts = session_of_view(view), pathspec.split("/")
    try:
        session.flow(pathspec) if len(parts) == 1 else session.run("/".join(parts[:2]))
    except NamespaceMismatch:
        return False
    return True


def _asked(name: str) -> Callable[..., Any]:
    """A method of the session as it is."""

    def ask(view: Row, **arguments: Any) -> Any:
        return getattr(session_of_view(view), name)(**arguments)

    return ask


METHODS: dict[str, Callable[..., Any]] = {
    "view": view, "find": find, "runs": runs, "run_ids": run_ids, "run_tags": run_tags, "tasks": tasks, "lines": lines,
    "summary": summary, "bars": bars, "steps": steps,
    "step": step, "parameters": parameters, "change_tags": change_tags, "is_visible": is_visible,
    **{
        name: _asked(name)
        for name in (
            "flows", "flow", "run", "spec", "latest_run", "task", "attempts", "parents", "children", "lineage",
            "artifacts", "locate", "condition", "log", "code_files", "code_file", "code_digests", "code_extract",
            "captured_code", "reindex",
        )
    },
}
