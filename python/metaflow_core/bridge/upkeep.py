"""Upkeep of a datastore: clean-up, check, copies, and the audit of who did what."""

from __future__ import annotations

import time
from typing import Any

from ..settings import load_settings
from ..store.audit import AuditLog
from ..store.check import check_store
from ..store.gc import perform_gc, plan_gc
from ..store.open import Store, open_store
from ..store.transfer import copy_store
from .browse import session_of_view, settings_of_view, store_of_view
from .sessions import settings_of

__all__ = ["METHODS"]

Row = dict[str, Any]
_AUDIT_COLUMNS = ("time", "user", "action", "flow", "run", "host")


def gc(
    view: Row, keep_last: int | None = None, older_than: float | None = None, flow: str | None = None,
    dry_run: bool = True,
) -> Row:
    """`older_than` in seconds. Only runs that are seen through the namespace of the view go."""
    store = store_of_view(view)
    bounds: Row = {"keep_last": keep_last, "older_than_seconds": older_than, "flow": flow}
    bounds["namespace"] = view["namespace"][0]
    if dry_run:
        return plan_gc(store, **bounds).to_dict(dry_run)
    return perform_gc(store, settings_of_view(view).user, **bounds).to_dict(dry_run)


def check(view: Row) -> Row:
    return check_store(store_of_view(view))


def copy(settings: Row, source: str, target: str) -> Row:
    """`source` and `target` are folders or addresses such as s3://bucket/prefix."""
    loaded = settings_of(settings)
    stores = [_store_at(settings, place) for place in (source, target)]
    told = copy_store(*stores)
    if told["runs"] or told["size_bytes"]:
        about = {"source": source, "runs": told["runs"], "size_bytes": told["size_bytes"]}
        AuditLog(stores[1].storage).try_write("datastore copied", loaded.user, **about)
    return {**told, "source": stores[0].storage.root, "target": stores[1].storage.root}


def scrub(view: Row, pathspec: str, attempt: int | None = None) -> Row:
    """Remove what the tasks of a run, step or task have printed, for good: {"attempts", "size_bytes"}. Only attempts
    that are over; of tasks that were taken over from another run the logs are there and stay."""
    session = session_of_view(view)
    user = settings_of_view(view).user
    text = f"[removed by {user} on {time.strftime('%Y-%m-%d')}]\n".encode()
    store, attempts, gone = session.store, 0, 0
    rows = [session.task(pathspec)] if pathspec.count("/") == 3 else session.tasks(pathspec)
    flow, run = (rows[0]["flow"], rows[0]["run"]) if rows else (None, None)
    for row in rows:
        ended = store.tasks.read_attempts(flow, run, row["step"], row["task"])
        for number, record in ended.items():
            if record is None or record.get("origin") or attempt not in (None, number):
                continue
            size = store.logs.scrub(flow, run, row["step"], row["task"], number, text)
            attempts += size > 0
            gone += size
    if gone:
        AuditLog(store.storage).try_write("logs removed", user, flow=flow, run=run, pathspec=pathspec, size_bytes=gone)
    return {"attempts": attempts, "size_bytes": gone}


def _store_at(settings: Row, place: str) -> Store:
    kind, is_address, _ = place.partition("://")
    arguments = {"datastore": kind if is_address else "local", "datastore_root": place, "index": "sqlite"}
    return open_store(load_settings(
        options=settings.get("options") or {}, arguments=arguments, environ=settings.get("environment")
    ))


def audit(view: Row, **conditions: Any) -> Row:
    """Columns: those of every record, and `details`, what else each of them says."""
    rows = AuditLog(store_of_view(view).storage).read(**conditions)
    columns = {name: [row.get(name) for row in rows] for name in _AUDIT_COLUMNS}
    hidden = {*_AUDIT_COLUMNS, "format"}
    columns["details"] = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    return columns


METHODS = {"gc": gc, "check": check, "copy": copy, "audit": audit, "scrub": scrub}
