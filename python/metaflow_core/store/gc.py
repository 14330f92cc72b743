"""Clean-up: runs that nobody needs any more, and then the blobs that no record names.

What goes is chosen first (`plan_gc`), so that it can be shown before anything is deleted (`perform_gc`). These runs
never go: the newest of each flow, which holds the place of the ids; those that are going on; those tagged "keep"; and
those that a run which stays was resumed from, or took a task over from, for their logs are read there.

Safe beside everything else: a run says that it is being deleted before it is, so that no resume begins from it; what
was half deleted when somebody was killed is finished by the next clean-up; blobs are deleted as store/sweeping.py says.
"""
from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..contracts.storage import Entry
from ..errors import MetaflowError, NotFound
from . import layout
from .audit import AuditLog
from .liveness import shown_status
from .sweeping import GRACE_SECONDS, announced
from .version import check_format

__all__ = ["KEEP_TAG", "GcPlan", "perform_gc", "plan_gc", "record_digests", "references"]

KEEP_TAG = "keep"
_BATCH = 500
_SILENT_SECONDS = 24 * 3600.0  # a run that said nothing for so long is not going on, nor are jobs of it elsewhere
_DIGEST = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_ORIGIN = re.compile(rb'"origin":"([^"/]+/[0-9]+)/')
_RUN_ORIGIN = re.compile(rb'"origin":\{"run":"([0-9]+)"')

Row = dict[str, Any]


@dataclass
class GcPlan:
    """What a clean-up would do. Sizes in bytes as the storage keeps them.

    runs: {"pathspec", "status", "created_at", "user", "size"} of those that go, by flow and run.
    blobs: those that no remaining record names and that are old enough; `young`: those that are not, for the next time.
    """

    runs: list[Row] = field(default_factory=list)
    blobs: list[Entry] = field(default_factory=list)
    young: list[Entry] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)

    def to_dict(self, dry_run: bool) -> Row:
        size = sum(row["size"] for row in self.runs) + sum(blob.size for blob in self.blobs)
        return {
            "runs": self.runs, "blobs": len(self.blobs), "size_bytes": size, "leftovers": len(self.leftovers),
            "young": len(self.young), "young_bytes": sum(blob.size for blob in self.young), "dry_run": dry_run,
        }


def plan_gc(
    store: Any, keep_last: int | None = None, older_than_seconds: float | None = None, flow: str | None = None,
    namespace: str | None = None, grace_seconds: float = GRACE_SECONDS,
) -> GcPlan:
    """What would go. Runs of the namespace beyond the newest `keep_last` of their flow and older than
    `older_than_seconds`; a bound that is None bounds nothing, and without either no run goes. Blobs are looked at in
    the whole store."""
    plan = GcPlan()
    if not check_format(store.storage):
        return plan  # no store: looking at it must not make it
    cutoff = _storage_time(store.storage) - grace_seconds
    # Before the records are read: a blob that a record names by then was young or stays.
    blobs = list(store.storage.walk(layout.BLOBS))
    flows = store.runs.list_flows()
    chosen: dict[str, Row] = {}
    for name in flows if flow is None else [flow]:
        chosen.update(_candidates(store, name, keep_last, older_than_seconds, namespace))
        plan.leftovers += _without_record(store, name)
    named: set[bytes] = set()
    origins: dict[str, set[str]] = {}
    own: dict[str, set[bytes]] = {}
    for name in flows:
        for run in store.runs.list_runs(name):
            pathspec = f"{name}/{run}"
            digests, origins[pathspec], size = _scan(store, name, run)
            if pathspec in chosen:
                own[pathspec] = digests
                chosen[pathspec]["size"] = size
            else:
                named |= digests
    for pathspec in _needed(set(origins) - set(chosen), origins):
        if chosen.pop(pathspec, None):
            named |= own[pathspec]
    for key_batch in _batched(_other_records(store.storage)):
        named.update(*map(_digests, store.storage.read_many(key_batch).values()))
    for blob in blobs:
        if blob.key.rpartition("/")[2].encode() not in named:
            (plan.blobs if blob.modified_at < cutoff else plan.young).append(blob)
    plan.runs = [chosen[pathspec] for pathspec in sorted(chosen, key=_order)]
    return plan


def perform_gc(store: Any, user: str, grace_seconds: float = GRACE_SECONDS, **bounds: Any) -> GcPlan:
    """Delete what `plan_gc` finds; returns what was deleted. `user` is who does it, for the audit."""
    chosen = plan_gc(store, grace_seconds=grace_seconds, **bounds)
    deleted = [row for row in _condemned(store, chosen.runs) if _delete_run(store, row, user)]
    for folder in chosen.leftovers:
        store.storage.delete_tree(folder)
    # Looked at anew: records were added while the runs went, and those of the runs are gone.
    plan = plan_gc(store, grace_seconds=grace_seconds)
    gone: list[Entry] = []
    for batch in _batched(plan.blobs):
        gone += _delete_blobs(store.storage, batch)
    store.storage.sweep(max(grace_seconds, GRACE_SECONDS))
    if gone:
        AuditLog(store.storage).write("blobs deleted", user, blobs=len(gone), size_bytes=sum(b.size for b in gone))
    return GcPlan(deleted, gone, plan.young, chosen.leftovers)


# -- runs


def _candidates(
    store: Any, flow: str, keep_last: int | None, older_than_seconds: float | None, namespace: str | None
) -> dict[str, Row]:
    found = _read_runs(store, flow)
    tags_of = {
        run: {*triple[2]["tags"], *(triple[0].get("system_tags") or ())} for run, triple in found.items() if triple
    }
    newest = sorted(found, key=int, reverse=True)
    ours = [run for run in newest if run in tags_of and (namespace is None or namespace in tags_of[run])]
    spared = {*newest[:1], *ours[: keep_last or 0]}
    wanted = keep_last is not None or older_than_seconds is not None
    rows = {}
    for run in ours:
        record, status, _tags = found[run]
        old = older_than_seconds is None or (record.get("created_at") or 0.0) < time.time() - older_than_seconds
        if run in spared or KEEP_TAG in tags_of[run] or _may_go_on(status):
            continue
        if wanted and old or status.get("deleting"):
            rows[f"{flow}/{run}"] = {
                "pathspec": f"{flow}/{run}", "status": shown_status(status), "created_at": record.get("created_at"),
                "user": record.get("user"), "size": 0,
            }
    return rows


def _read_runs(store: Any, flow: str) -> dict[str, Any]:
    """{run: (record, status, tags), or None for what cannot be read}: nobody knows whether that may go."""
    runs = store.runs.list_runs(flow)
    try:
        return store.runs.read_runs(flow, runs)
    except MetaflowError:
        found: dict[str, Any] = {}
        for run in runs:
            try:
                found.update(store.runs.read_runs(flow, [run]))
            except MetaflowError:
                found[run] = None
        return found


def _may_go_on(status: Row) -> bool:
    shown = shown_status(status)
    if shown == "lost":
        # Its machine may only have been asleep, and its jobs on a cluster outlive its scheduler.
        return time.time() - (status.get("heartbeat_at") or 0.0) <= _SILENT_SECONDS
    return shown == "running"


def _without_record(store: Any, flow: str) -> list[str]:
    """Folders of runs that nobody owns: half claimed, or half deleted; but for an id that may still be claimed."""
    runs = store.runs.list_runs(flow)
    there = [run for run in runs if store.runs.exists(flow, run)]
    newest = int(there[-1]) if there else 0
    folders = [layout.run_folder(flow, run) for run in runs if run not in there and int(run) < newest]
    return [folder for folder in folders if any(True for _ in store.storage.walk(folder))]


def _needed(kept: Iterable[str], origins: dict[str, set[str]]) -> set[str]:
    """Runs that those which stay point at, and so on."""
    needed, todo = set(), list(kept)
    while todo:
        for origin in origins.get(todo.pop(), ()):
            if origin not in needed:
                needed.add(origin)
                todo.append(origin)
    return needed


def _condemned(store: Any, rows: list[Row]) -> list[Row]:
    """Say of each run that it is being deleted, then look once more whether anybody began from it meanwhile."""
    if not rows:
        return []
    pathspecs = {row["pathspec"] for row in rows if _mark(store, row["pathspec"], True)}
    origins: dict[str, set[str]] = {}
    for name in store.runs.list_flows():
        for run in store.runs.list_runs(name):
            if f"{name}/{run}" not in pathspecs:
                origins[f"{name}/{run}"] = _scan(store, name, run)[1]
    spared = pathspecs & _needed(origins, origins)
    for pathspec in spared:
        _mark(store, pathspec, False)
    return [row for row in rows if row["pathspec"] in pathspecs - spared]


def _mark(store: Any, pathspec: str, deleting: bool) -> bool:
    """False when the run is gone: somebody else cleans up, too."""
    flow, run = pathspec.split("/")
    try:
        store.runs.update_status(flow, run, lambda status: {**status, "deleting": deleting})
    except NotFound:
        return False
    return True


def _delete_run(store: Any, row: Row, user: str) -> bool:
    flow, run = row["pathspec"].split("/")
    try:
        tags = store.runs.read_tags(flow, run)["tags"]
    except NotFound:
        return False
    if KEEP_TAG in tags:  # somebody was faster
        _mark(store, row["pathspec"], False)
        return False
    about = {"status": row["status"], "created_at": row["created_at"], "owner": row["user"], "tags": tags}
    AuditLog(store.storage).write("run deleted", user, flow=flow, run=run, **about)
    store.storage.delete([layout.run_key(flow, run)])
    for folder in (layout.run_folder(flow, run), layout.readers_folder(flow, run)):
        store.storage.delete_tree(folder)
    memos = [entry.key for entry in store.storage.walk(f"{layout.flow_folder(flow)}/{layout.MEMOS}")]
    store.storage.delete(key for key in memos if key.rpartition("/")[2].startswith(f"{run}-"))
    with suppress(MetaflowError):  # the index sees by itself that the run is gone
        store.index.forget_runs(flow, [run])
    return True


# -- blobs


def references(store: Any) -> set[str]:
    """Digests that any record names: every text of 64 hexadecimal digits in it, so nothing new can be overlooked."""
    folders = (layout.FLOWS, *_other_folders(store.storage))
    return record_digests(store.storage, (entry.key for folder in folders for entry in store.storage.walk(folder)))


def record_digests(storage: Any, keys: Iterable[str]) -> set[str]:
    """Digests that those of these keys name that are records. Results that nobody committed yet are records, too."""
    named: set[bytes] = set()
    for batch in _batched(key for key in keys if _is_record(key)):
        named.update(*map(_digests, storage.read_many(batch).values()))
    return {digest.decode() for digest in named}


def _other_records(storage: Any) -> Iterator[str]:
    """Records that belong to no run, those of whole flows included."""
    for folder in _other_folders(storage):
        yield from (entry.key for entry in storage.walk(folder) if _is_record(entry.key))
    for flow in storage.list_dirs(layout.FLOWS):
        for name in storage.list_dirs(layout.flow_folder(flow)):
            if not name.isdecimal() and name != layout.MEMOS:
                walked = storage.walk(f"{layout.flow_folder(flow)}/{name}")
                yield from (entry.key for entry in walked if _is_record(entry.key))


def _other_folders(storage: Any) -> list[str]:
    return [name for name in storage.list_dirs() if name not in (layout.FLOWS, *layout.NOT_RECORDS)]


def _is_record(key: str) -> bool:
    # A memo only says where to look: what it names may be gone.
    return key.endswith((".json", ".jsonl", ".tasks")) and f"/{layout.MEMOS}/" not in key


def _scan(store: Any, flow: str, run: str) -> tuple[set[bytes], set[str], int]:
    """Digests that the records of a run name, the runs that it took tasks over from, and the bytes of its files."""
    digests: set[bytes] = set()
    origins: set[str] = set()
    entries = list(store.storage.walk(layout.run_folder(flow, run)))
    for batch in _batched(entry.key for entry in entries if _is_record(entry.key)):
        for data in store.storage.read_many(batch).values():
            digests |= _digests(data)
            origins.update(match.decode() for match in _ORIGIN.findall(data))
            origins.update(f"{flow}/{match.decode()}" for match in _RUN_ORIGIN.findall(data))
    origins.discard(f"{flow}/{run}")
    return digests, origins, sum(entry.size for entry in entries)


def _digests(data: bytes) -> set[bytes]:
    return set(_DIGEST.findall(data))


def _delete_blobs(storage: Any, blobs: list[Entry]) -> list[Entry]:
    with announced(storage, [blob.key for blob in blobs]):
        # Only now: whoever needs one of them from here on sees our list.
        old = [blob for blob in blobs if _is_as_it_was(storage, blob)]
        storage.delete(blob.key for blob in old)
    return old


def _is_as_it_was(storage: Any, blob: Entry) -> bool:
    now = storage.stat(blob.key)
    return now is not None and now.modified_at == blob.modified_at


def _storage_time(storage: Any) -> float:
    """Now by the clock of the storage, which stamps what is written there; ours may differ."""
    key = f"{layout.SWEEPS}/clock/{os.urandom(8).hex()}"
    try:
        storage.write(key, b"")
        now = storage.stat(key)
        storage.delete([key])
    except (MetaflowError, NotFound):  # a store that may only be read can still be looked at
        return time.time()
    return time.time() if now is None else now.modified_at


def _batched(items: Iterable[Any]) -> Iterator[list[Any]]:
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _order(pathspec: str) -> tuple[str, int]:
    flow, _, run = pathspec.partition("/")
    return flow, int(run)
