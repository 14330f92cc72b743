"""Is everything there that records name, and is it what its digest says? Reads all of a datastore, changes nothing."""
from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import MetaflowError, NotFound
from . import layout
from .blobs import digest_of, digest_of_file
from .gc import references
from .liveness import shown_status
from .records import decode
from .tasks import blob_of
from .version import check_format

__all__ = ["SERIOUS", "check_store", "digest_of_key"]

Row = dict[str, Any]
#: Kinds of problems. The first two mean that something is lost; the others are what killed runs leave behind.
SERIOUS = ("damaged", "missing")
_IN_MEMORY_BYTES = 32 << 20
_THREADS = 8
_BATCH = 500  # records read at once
_PARTS_OF_A_TASK_FILE = 7  # flows/F/12/fit/7/0/task.json
_BLOB_KEY = re.compile(rf"{layout.BLOBS}/([0-9a-f]{{2}})/(\1[0-9a-f]{{62}})\Z")


def check_store(store: Any) -> Row:
    """{"problems": [{"problem", "key", "detail"}], "flows", "runs", "tasks", "blobs", "size_bytes", "ok"}.

    problem: "damaged" (not what its digest says, or not to be read), "missing" (a record names it), "half-written"
    (whoever wrote it was killed), "unreferenced" (no record names it: `mf_gc()` frees it).
    """
    return _Check(store).perform()


class _Check:
    """What was found so far."""

    def __init__(self, store: Any):
        self._store = store
        self._storage = store.storage
        self._problems: list[Row] = []
        self._slices: dict[str, dict[tuple[int, int, str], str]] = {}  # digest: {(offset, size, its digest): where}
        self._named: dict[str, str] = {}  # digest: the first record that names it
        self._runs: set[str] = set()
        self._origins: dict[str, str] = {}
        self._tasks = 0

    def perform(self) -> Row:
        check_format(self._storage)
        flows = self._store.runs.list_flows()
        for flow in flows:
            for run in self._store.runs.list_runs(flow):
                self._run(flow, run)
        for origin, key in self._origins.items():
            if "/".join(origin.split("/")[:2]) not in self._runs:
                self._add("missing", key, f"it was taken over from {origin}, which is not there; its log is lost")
        blobs, size = self._blobs()
        order = {kind: place for place, kind in enumerate((*SERIOUS, "half-written", "unreferenced"))}
        self._problems.sort(key=lambda row: (order[row["problem"]], row["key"]))
        return {
            "problems": self._problems, "flows": len(flows), "runs": len(self._runs), "tasks": self._tasks,
            "blobs": blobs, "size_bytes": size, "ok": not any(row["problem"] in SERIOUS for row in self._problems),
        }

    def _add(self, problem: str, key: str, detail: str) -> None:
        self._problems.append({"problem": problem, "key": key, "detail": detail})

    # -- records

    def _run(self, flow: str, run: str) -> None:
        key, runs = layout.run_key(flow, run), self._store.runs
        if not runs.exists(flow, run):
            folder = layout.run_folder(flow, run)
            if any(True for _ in self._storage.walk(folder)):  # some servers list folders for a while that are empty
                self._add("half-written", folder, "a run that was not claimed, or half deleted")
            return
        self._runs.add(f"{flow}/{run}")
        record = self._read(lambda: runs.read_run(flow, run), key)
        status = self._read(lambda: runs.read_status(flow, run), layout.status_key(flow, run))
        self._read(lambda: runs.read_tags(flow, run), layout.tags_key(flow, run))
        for field in ("code", "package"):
            if record and record.get(field):
                self._named.setdefault(record[field], key)
        for artifact in ((record or {}).get("parameters") or {}).values():
            self._artifact(artifact, key)
        committed, begun = self._committed(flow, run)
        known = {f"{task['step']}/{task['task']}/{task['attempt']}" for task in committed}
        for task in committed:
            self._task(task, known)
        if status and shown_status(status) != "running":
            for place in sorted(begun - known):
                folder = f"{layout.run_folder(flow, run)}/{place}"
                self._add("half-written", folder, "an attempt that did not get to its end")

    def _committed(self, flow: str, run: str) -> tuple[list[Row], set[str]]:
        """The records of a run's tasks, those of a batch and those of a folder; and the attempts that have a folder."""
        found: dict[str, Row] = {}
        begun: set[str] = set()
        keys = []
        for entry in self._storage.walk(layout.run_folder(flow, run)):
            parts = entry.key.split("/")
            of_task = len(parts) == _PARTS_OF_A_TASK_FILE and not parts[3].startswith("_")
            if of_task:
                begun.add("/".join(parts[3:6]))
            if parts[3] == layout.BATCHES or of_task and parts[-1] == layout.ATTEMPT_RECORD:
                keys.append(entry.key)
        for start in range(0, len(keys), _BATCH):
            for key, data in self._storage.read_many(keys[start : start + _BATCH]).items():
                lines = [line for line in data.split(b"\n") if line] if key.endswith(".jsonl") else [data]
                for line in lines:
                    record = self._read(lambda line=line, key=key: decode(line, key), key)
                    if record is not None:
                        found.setdefault(f"{record['step']}/{record['task']}/{record['attempt']}", record)
        return list(found.values()), begun

    def _task(self, record: Row, known: set[str]) -> None:
        self._tasks += 1
        place = (record["flow"], record["run"], record["step"], record["task"], record["attempt"])
        key = layout.task_key(*place)
        for artifact in (record.get("artifacts") or {}).values():
            self._artifact(artifact, key)
        condition = (record.get("error") or {}).get("condition")
        if condition:
            self._artifact(condition, key)
        if (record.get("splits") or {}).get("blob"):
            self._named.setdefault(record["splits"]["blob"], key)
        if record.get("inherits") and record["inherits"] not in known:
            self._add("missing", key, f"it inherits from {record['inherits']}, which has no record")
        if record.get("origin"):
            self._origins.setdefault(record["origin"], key)

    def _artifact(self, record: Row, key: str) -> None:
        digest, offset, size = blob_of(record)
        self._named.setdefault(digest, key)
        if digest != record["digest"]:
            self._slices.setdefault(digest, {})[offset, size, record["digest"]] = key

    def _read(self, read: Callable[[], Row], key: str) -> Row | None:
        try:
            return read()
        except NotFound as problem:
            self._add("missing", key, problem.message)
        except (MetaflowError, KeyError, TypeError) as problem:
            self._add("damaged", key, getattr(problem, "message", f"it lacks {problem}"))
        return None

    # -- blobs

    def _blobs(self) -> tuple[int, int]:
        from concurrent.futures import ThreadPoolExecutor

        # What any record names is not free to go, also where this package does not know the record.
        also_named = references(self._store)
        there: set[str] = set()
        count = size = 0
        keys = []
        for entry in self._storage.walk(layout.BLOBS):
            match = _BLOB_KEY.match(entry.key)
            if match is None:
                self._add("half-written", entry.key, "a file that is no blob")
                continue
            count, size = count + 1, size + entry.size
            there.add(match.group(2))
            keys.append(entry)
            if match.group(2) not in also_named and match.group(2) not in self._named:
                self._add("unreferenced", entry.key, f"{entry.size} bytes that no record names")
        for digest in sorted(set(self._named) - there):
            self._add("missing", layout.blob_key(digest), f"{self._named[digest]} names it")
        with ThreadPoolExecutor(_THREADS) as pool:  # hashing and reading both let go of Python's lock
            for found in pool.map(self._verified, keys):
                for key, detail in found:
                    self._add("damaged", key, detail)
        return count, size

    def _verified(self, entry: Any) -> list[tuple[str, str]]:
        digest = entry.key.rpartition("/")[2]
        slices = self._slices.get(digest, {})
        places = [(offset, size) for offset, size, _ in slices]
        try:
            whole, parts = digest_of_key(self._storage, entry, places)
        except NotFound:
            return []  # deleted while we looked
        except MetaflowError as problem:
            return [(entry.key, problem.message)]
        if whole != digest:
            by = self._named.get(digest)
            return [(entry.key, "its content is not what its digest says" + (f"; {by} names it" if by else ""))]
        return [
            (where, f"an artifact from byte {offset} of {entry.key} is not what its digest says")
            for (offset, size, expected), where in slices.items() if parts[offset, size] != expected
        ]


def digest_of_key(
    storage: Any, entry: Any, places: Iterable[tuple[int, int]] = ()
) -> tuple[str, dict[tuple[int, int], str]]:
    """sha256 of the content of a key, and of parts of it by (offset, size). Nothing large is held in memory."""
    local = storage.local_path(entry.key)
    if local is None and entry.size <= _IN_MEMORY_BYTES:
        data = storage.read(entry.key)
        return digest_of(data), {(o, s): hashlib.sha256(data[o : o + s]).hexdigest() for o, s in places}
    with _as_file(storage, entry.key, local) as path:
        return digest_of_file(path), {(offset, size): digest_of_file(path, offset, size) for offset, size in places}


class _as_file:
    """A local file with the content of a key, for as long as the block lasts."""

    def __init__(self, storage: Any, key: str, local: str | None):
        self._storage, self._key, self._local = storage, key, local

    def __enter__(self) -> str:
        if self._local is not None:
            if not os.path.isfile(self._local):
                raise NotFound(f"{self._key} is not there any more")
            return self._local
        self._folder = tempfile.TemporaryDirectory(prefix="metaflow-check-")
        path = os.path.join(self._folder.name, "content")
        self._storage.fetch_file(self._key, path)
        return path

    def __exit__(self, *_exc: Any) -> None:
        if self._local is None:
            self._folder.cleanup()

