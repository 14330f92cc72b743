"""Artifacts: which ones a task has, and where their bytes are."""
from __future__ import annotations

import os
from typing import Any

from ..errors import Corrupted, InvalidPathspec, NotFound
from ..ids import Pathspec, parse_pathspec
from ..nearest import did_you_mean
from ..store.tasks import blob_of
from .finding import Found, find
from .tasks import finished_record

__all__ = ["list_artifacts", "locate", "locate_condition"]

Row = dict[str, Any]


def list_artifacts(session: Any, pathspec: str, attempt: int | None = None) -> dict[str, Row]:
    found = _task_of(session, find(session, pathspec, "task", "run"))
    return _artifacts(session, found, attempt)


def locate(
    session: Any, pathspec: str, name: str | None = None, attempt: int | None = None, verify: bool = False
) -> Row:
    owner, name = _split(pathspec, name)
    found = _task_of(session, find(session, owner, "task", "run"))
    artifacts = _artifacts(session, found, attempt)
    if name not in artifacts:
        raise NotFound(
            f"{found.spec} has no artifact {name!r}", hint=did_you_mean(name, artifacts),
            data={"pathspec": str(found.spec), "name": name},
        )
    return {**_located(session, artifacts[name], verify), "name": name, "pathspec": str(found.spec)}


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


def _artifacts(session: Any, found: Found, attempt: int | None) -> dict[str, Row]:
    record = finished_record(session, found, attempt)
    # Parameters are artifacts of every task, whether its record repeats them or not.
    return {**(found.record.get("parameters") or {}), **session.store.tasks.resolve_artifacts(record)}


def _task_of(session: Any, found: Found) -> Found:
    """The task itself, or the end task of a run."""
    if found.task is not None:
        return found
    run = session.run(found.run_pathspec)
    if run["end_task"] is None:
        raise NotFound(
            f"{found.run_pathspec} has no end task (the run is {run['status']}), so it has no artifacts of its own",
            hint=f"Read those of one of its tasks, {found.run_pathspec}/STEP/TASK.",
            data={"pathspec": found.run_pathspec, "status": run["status"]},
        )
    return Found(parse_pathspec(run["end_task"]), found.record, found.tags)


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
