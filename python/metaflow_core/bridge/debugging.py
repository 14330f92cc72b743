"""A task that failed, caught or not, opened again: everything its worker was given, with the bytes on this machine.

The engine keeps the order of such an attempt (engine/order.py); its run has the code and the parameters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..client.finding import find
from ..client.tasks import finished_record
from ..engine.commit import reference
from ..engine.recall import current_facts
from ..errors import NotFound
from ..store.tasks import blob_of
from .browse import session_of_view

__all__ = ["METHODS"]

Row = dict[str, Any]


def open_task(view: Row, pathspec: str, attempt: int | None = None) -> Row:
    """{"pathspec", "attempt", "order", "code": file, "blobs": folder, "parameters": references, "current", "dump":
    where the local variables of the failing calls are, or None}."""
    session = session_of_view(view)
    found = find(session, pathspec, "task")
    record = finished_record(session, found, attempt)
    blobs = session.store.blobs
    if record.get("order") is None:
        what = "did not fail" if record.get("error") is None else "keeps nothing to open it with"
        raise NotFound(
            f"attempt {record['attempt']} of {found.spec} {what}",
            hint="Only failed tasks are opened. Of others read the artifacts: task_client$new(...)$artifact(\"x\").",
            data={"pathspec": str(found.spec)},
        )
    order = json.loads(blobs.read(record["order"]))
    parameters = {name: reference(value) for name, value in (found.record.get("parameters") or {}).items()}
    for digest in sorted({*_blobs(order), *_blobs(parameters)}):
        blobs.path(digest)  # brings it here when its storage is elsewhere
    dump = (record.get("error") or {}).get("dump")
    return {
        "pathspec": str(found.spec),
        "attempt": record["attempt"],
        "order": {**order, "dir": ""},
        "code": blobs.verify(found.record["code"]),
        "blobs": blobs.folder,
        "parameters": parameters,
        "current": current_facts(found.record),
        "dump": None if dump is None else {**dump, "path": blobs.path(blob_of(dump)[0])},
    }


def _blobs(value: Any) -> Iterator[str]:
    """The blobs that the references in an order name: "<blob> <offset> <size> <digest>"."""
    if isinstance(value, dict):
        for item in value.values():
            yield from _blobs(item)
    elif isinstance(value, list):
        for item in value:
            yield from _blobs(item)
    elif isinstance(value, str):
        parts = value.split(" ")
        if len(parts) == 4 and len(parts[0]) == 64 and parts[2].isdecimal():
            yield parts[0]


METHODS = {"open_task": open_task}
