"""Copying a datastore to another place, of whatever kind both are.

Run by run: the blobs that its records name, each verified on the way; then its run.json, which claims the id over
there; then its tasks and logs, which never change; and at last tags and status, which do. So a copy that was killed
shows as a run that is not complete, and the next one goes on where it ended: what is there is not copied again. Runs
that are going on are left for the next time.
"""
from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from ..errors import Corrupted, MetaflowError, StoreConflict, StoreError
from . import layout
from .blobs import digest_of, digest_of_file
from .gc import record_digests
from .liveness import shown_status
from .records import decode
from .version import check_format, claim_format, store_identity

__all__ = ["copy_store"]

Row = dict[str, Any]
_IN_MEMORY_BYTES = 16 << 20
_THREADS = 8


def copy_store(source: Any, target: Any) -> Row:
    """Copy what `target` lacks: {"runs", "blobs", "size_bytes", "skipped": runs that go on, "problems": [text]}.

    StoreConflict, before anything is written, when both have a run of one id that is not the same run.
    """
    if not check_format(source.storage):
        raise StoreError(
            f"there is no datastore at {source.storage.root}", hint="Give the folder or the address that holds flows/."
        )
    check_format(target.storage)
    if store_identity(source.storage) == store_identity(target.storage):
        raise StoreError("a datastore cannot be copied onto itself", hint="Give two places that are not the same.")
    return _Copy(source, target).perform()


class _Copy:
    def __init__(self, source: Any, target: Any):
        self._source, self._target = source, target
        self._from, self._to = source.storage, target.storage
        self._guard = threading.Lock()
        self._told: Row = {"runs": 0, "blobs": 0, "size_bytes": 0, "skipped": [], "problems": []}

    def perform(self) -> Row:
        from concurrent.futures import ThreadPoolExecutor

        runs = list(self._runs())
        self._refuse_conflicts(runs)
        claim_format(self._to)
        self._blobs = {entry.key.rpartition("/")[2]: entry for entry in self._from.walk(layout.BLOBS)}
        self._have = {entry.key.rpartition("/")[2] for entry in self._to.walk(layout.BLOBS)}
        with ThreadPoolExecutor(_THREADS) as self._pool:
            for flow, run in runs:
                self._run(flow, run)
            for prefix in self._others():
                self._tree(prefix)
        self._to.sync()
        return self._told

    def _runs(self) -> Iterable[tuple[str, str]]:
        for flow in self._source.runs.list_flows():
            for run in self._source.runs.list_runs(flow):
                if not self._source.runs.exists(flow, run):
                    continue
                if shown_status(self._source.runs.read_status(flow, run)) == "running":
                    self._told["skipped"].append(f"{flow}/{run}")
                else:
                    yield flow, run

    def _refuse_conflicts(self, runs: list[tuple[str, str]]) -> None:
        keys = [layout.run_key(flow, run) for flow, run in runs]
        there = self._to.read_many(keys)
        here = self._from.read_many(there)
        for key in there:
            if there[key] != here.get(key):
                self._conflict(key)

    def _conflict(self, key: str) -> None:
        pathspec = "/".join(key.split("/")[1:3])
        raise StoreConflict(
            f"{pathspec} is in both datastores, and is not the same run",
            hint="Copy into an empty place, or into a datastore that has only copies of this one.",
            data={"pathspec": pathspec},
        )

    def _run(self, flow: str, run: str) -> None:
        """One run. A key that is there already is the same: only a few ever change, and they come last."""
        folder, key = layout.run_folder(flow, run), layout.run_key(flow, run)
        whole = layout.batch_key(flow, run, layout.ALL_TASKS)
        mutable = [whole, layout.tags_key(flow, run), layout.status_key(flow, run)]
        entries = {entry.key: entry for entry in self._from.walk(folder)}
        there = {entry.key for entry in self._to.walk(folder)}
        complete = self._same(mutable, entries, there)
        lacking = [entry for name, entry in entries.items() if name not in there and name not in mutable]
        if complete and not lacking:
            return
        self._copy_blobs(record_digests(self._from, entries))
        record = self._from.read(key)
        if not self._to.create(key, record) and self._to.read(key) != record:
            self._conflict(key)
        list(self._pool.map(self._copy, (entry for entry in lacking if entry.key != key)))
        for name in mutable:
            self._renew(name, name in entries)
        self._told["runs"] += 1

    def _same(self, keys: list[str], here: Row, there: set[str]) -> bool:
        if any((key in here) != (key in there) for key in keys):
            return False
        both = [key for key in keys if key in here]
        return self._from.read_many(both) == self._to.read_many(both)

    def _renew(self, key: str, exists: bool) -> None:
        """A record that changes: the newer version wins, wherever it was written."""
        if not exists:
            self._to.delete([key])
            return
        data = self._from.read(key)
        while True:
            now, version = self._to.read_versioned(key) if self._to.exists(key) else (None, None)
            if now == data or now is not None and _version(now, key) > _version(data, key):
                return
            try:
                self._to.write_if(key, data, version)
                return
            except StoreConflict:
                continue

    def _others(self) -> Iterable[str]:
        """What is beside the runs: the audit, memos, and whatever else is kept in folders."""
        for folder in self._from.list_dirs():
            if folder not in (layout.FLOWS, *layout.NOT_RECORDS):
                yield folder
        for flow in self._source.runs.list_flows():
            for name in self._from.list_dirs(layout.flow_folder(flow)):
                if not name.isdecimal():
                    yield f"{layout.flow_folder(flow)}/{name}"

    def _tree(self, prefix: str) -> None:
        entries = {entry.key: entry for entry in self._from.walk(prefix)}
        there = {entry.key for entry in self._to.walk(prefix)}
        self._copy_blobs(record_digests(self._from, entries))
        list(self._pool.map(self._copy, (entry for key, entry in entries.items() if key not in there)))

    # -- bytes

    def _copy_blobs(self, digests: set[str]) -> None:
        wanted = sorted(digests & self._blobs.keys())
        for digest, problem in zip(wanted, self._pool.map(self._copy_blob, wanted)):
            if problem:
                self._told["problems"].append(f"{layout.blob_key(digest)}: {problem}")

    def _copy_blob(self, digest: str) -> str | None:
        """What is wrong with the blob, which then is not copied; None when it is there now."""
        if digest in self._have and self._target.blobs.keep(digest):
            return None
        entry = self._blobs[digest]

        def put(path: str, _own: bool) -> None:
            if digest_of_file(path) != digest:
                raise Corrupted("its content is not what its digest says")
            self._target.blobs.put_file(path, digest, move=False)

        def put_bytes(data: bytes) -> None:
            if digest_of(data) != digest:
                raise Corrupted("its content is not what its digest says")
            self._target.blobs.put_bytes(data)

        try:
            self._through(entry, put_bytes, put)
        except (Corrupted, OSError) as problem:
            return getattr(problem, "message", str(problem))
        self._have.add(digest)
        self._count(entry, blobs=1)
        return None

    def _copy(self, entry: Any) -> None:
        key = entry.key
        self._through(entry, partial(self._to.write, key), lambda path, own: self._to.put_file(path, key, move=own))
        self._count(entry)

    def _count(self, entry: Any, blobs: int = 0) -> None:
        with self._guard:
            self._told["blobs"] += blobs
            self._told["size_bytes"] += entry.size

    def _through(self, entry: Any, put_bytes: Callable[[bytes], Any], put_file: Callable[[str, bool], Any]) -> None:
        """Hand the content over: in memory when it is small, as a local file (ours to give away, or not) otherwise."""
        local = self._from.local_path(entry.key)
        if entry.size <= _IN_MEMORY_BYTES:
            put_bytes(self._from.read(entry.key))
        elif local is not None:
            put_file(local, False)
        else:
            with tempfile.TemporaryDirectory(prefix="metaflow-copy-") as folder:
                path = os.path.join(folder, "content")
                self._from.fetch_file(entry.key, path)
                put_file(path, True)


def _version(data: bytes, key: str) -> int:
    if key.endswith(".jsonl"):
        return 0  # has no version: the source knows better
    try:
        return int(decode(data, key).get("version") or 0)
    except MetaflowError:
        return -1
