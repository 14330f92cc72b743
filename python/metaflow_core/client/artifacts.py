"""Artifacts: which ones a task has, and where their bytes are."""
from __future__ import annotations

import os
from typing import Any

from ..errors import Corrupted, InvalidPathspec, NotFound
from ..ids import Pathspec, parse_pathspec
from ..nearest import did_you_mean
from ..store.liveness import shown_status
from ..store.tasks import blob_of
from .finding import Found, find
from .runs import end_record
from .tasks import finished_record

__all__ = ["list_artifacts", "locate", "locate_condition"]

Row = dict[str, Any]


def list_artifacts(session: Any, pathspec: str, attempt: int | None = None) -> dict[str, Row]:
    return _artifacts(session, find(session, pathspec, "task", "run"), attempt)[1]


def locate(
    session: Any, pathspec: str, name: str | None = None, attempt: int | None = None, verify: bool = False
) -> Row:
    owner, name = _split(pathspec, name)
    task, artifacts = _artifacts(session, find(session, owner, "task", "run"), attempt)
    if name not in artifacts:
        raise NotFound(
            f"{task} has no artifact {name!r}", hint=did_you_mean(name, artifacts),
            data={"pathspec": task, "name": name},
        )
    return {**_located(session, artifacts[name], verify), "name": name, "pathspec": task}


def locate_condition(session: Any, pathspec: str, attempt: int | None = None) -> Row | None:
    found = find(session, pathspec, "task")
    record = (finished_record(session, found, attempt).get("error") or {}).get("condition")
    return _located(session, record, verify=False) if record else None


def _located(session: Any, record: Row, verify: bool) -> Row:
    blob, offset, size = blob_of(record)
    path = session.store.blobs.path(blob)
    _check_size(path, blob, record)
    if verify:
        session.store.blobs.verify(blob, offset, size, record["digest"] or None)
    return {**record, "path": path, "blob": blob, "offset": offset, "size": size}


def _artifacts(session: Any, found: Found, attempt: int | None) -> tuple[str, dict[str, Row]]:
    """(pathspec of the task, its artifacts); of a run they are those of its end task."""
    record = finished_record(session, found, attempt) if found.task is not None else _end_record(session, found)
    if found.task is None and attempt is not None:
        found = Found(Pathspec(found.flow, found.run, "end", record["task"]), found.record, found.tags)
        record = finished_record(session, found, attempt)
    # Parameters are artifacts of every task, whether its record repeats them or not.
    artifacts = {**(found.record.get("parameters") or {}), **session.store.tasks.resolve_artifacts(record)}
    return f"{found.run_pathspec}/{record['step']}/{record['task']}", artifacts


def _end_record(session: Any, found: Found) -> Row:
    record = end_record(session, found)
    if record is None:
        status = shown_status(session.store.runs.read_status(found.flow, found.run))
        raise NotFound(
            f"{found.run_pathspec} has no end task (the run is {status}), so it has no artifacts of its own",
            hint=f"Read those of one of its tasks, {found.run_pathspec}/STEP/TASK.",
            data={"pathspec": found.run_pathspec, "status": status},
        )
    return record


def _split(pathspec: str, name: str | None) -> tuple[str, str]:
    if name is not None:
        return pathspec, name
    spec = parse_pathspec(pathspec)
    if spec.artifact is None:
        raise InvalidPathspec(
            f"{pathspec!r} does not name an artifact", hint="Add its name: Flow/12/step/7/artifact.",
            data={"pathspec": pathspec},
        )
    return str(Pathspec(*spec.parts[:4])), spec.artifact


def _check_size(path: str, blob: str, record: Row) -> None:
    """One stat finds what a full disk, a power cut or half a copy leave behind."""
    _digest, offset, size = blob_of(record)
    there, packed = os.stat(path).st_size, "blob" in record and record["blob"] not in (None, record["digest"])
    if there < offset + size or (not packed and there != size):
        raise Corrupted(
            f"blob {blob} has {there} bytes, {'at least ' if packed else ''}{offset + size} were stored",
            hint="The file was damaged after it was written. Run the step that made it again, or restore a backup.",
            data={"blob": blob, "path": path},
        )
