"""Runs: claiming an id, the immutable record, and the two mutable ones (status, tags).

``run.json`` is the claim: whoever creates it owns the id. Status and tags may be missing
(the process died right after the claim); then they read as what the run began with.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable

from ..contracts.storage import Storage
from ..errors import NotFound, StoreConflict
from . import layout
from .batches import TaskBatches
from .records import decode, encode
from .version import claim_format

__all__ = ["RunStore", "initial_status", "initial_tags"]

Record = dict[str, Any]
_TRIES = 100
_STALE_SECONDS = 24 * 3600.0


def initial_status(record: Record) -> Record:
    """The status of a run that has not said anything since it was claimed."""
    return {
        "version": 0, "status": "running", "started_at": record.get("created_at"), "finished_at": None,
        "heartbeat_at": record.get("created_at"), "host": record.get("host"), "pid": record.get("pid"),
        "pid_start": record.get("pid_start"), "tasks": {"done": 0, "failed": 0, "cloned": 0}, "error": None,
    }


def initial_tags(record: Record) -> Record:
    return {"version": 0, "tags": sorted(set(record.get("tags") or []))}


class RunStore:
    """Run records on a storage. Run ids are strings of dense integers from "1", per flow."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self.batches = TaskBatches(storage)

    # -- claiming

    def claim_run(self, flow: str, make_record: Callable[[str], Record]) -> str:
        """Claim the next run id of `flow`; `make_record(run_id)` gives the content of run.json.

        It is called again with the next id whenever another process was faster.
        """
        claim_format(self._storage)
        self._storage.sweep(_STALE_SECONDS)
        number = self._newest(flow)
        while True:
            number += 1
            key = layout.run_key(flow, str(number))
            if self._storage.create(key, encode(make_record(str(number)), key)):
                return str(number)

    def _newest(self, flow: str) -> int:
        # A folder without run.json is an id whose claim was killed half way: it is still free.
        for run in reversed(self._run_folders(flow)):
            if self.exists(flow, run):
                return int(run)
        return 0

    # -- reading

    def exists(self, flow: str, run: str) -> bool:
        return self._storage.exists(layout.run_key(flow, run))

    def read_run(self, flow: str, run: str) -> Record:
        """run.json; NotFound when this run was never claimed."""
        key = layout.run_key(flow, run)
        try:
            return decode(self._storage.read(key), key)
        except NotFound:
            raise _no_run(flow, run) from None

    def read_status(self, flow: str, run: str) -> Record:
        return self._read_mutable(flow, run, layout.status_key, initial_status)[0]

    def read_tags(self, flow: str, run: str) -> Record:
        """{"version", "tags": sorted user tags}; system tags are in run.json."""
        return self._read_mutable(flow, run, layout.tags_key, initial_tags)[0]

    def read_run_and_tags(self, flow: str, run: str) -> tuple[Record, Record]:
        """Both at once, side by side where each costs a request; NotFound when this run was never claimed."""
        key, tags = layout.run_key(flow, run), layout.tags_key(flow, run)
        found = self._storage.read_many([key, tags])
        if key not in found:
            raise _no_run(flow, run)
        record = decode(found[key], key)
        return record, decode(found[tags], tags) if tags in found else initial_tags(record)

    def read_runs(self, flow: str, runs: Iterable[str]) -> dict[str, tuple[Record, Record, Record]]:
        """{run: (record, status, tags)} of many runs; those that do not exist are absent."""
        wanted = list(runs)
        makers = (layout.run_key, layout.status_key, layout.tags_key)
        found = self._storage.read_many(make(flow, run) for run in wanted for make in makers)
        return {run: self._triple(flow, run, found) for run in wanted if layout.run_key(flow, run) in found}

    def _triple(self, flow: str, run: str, found: dict[str, bytes]) -> tuple[Record, Record, Record]:
        key, status, tags = layout.run_key(flow, run), layout.status_key(flow, run), layout.tags_key(flow, run)
        record = decode(found[key], key)
        return (
            record,
            decode(found[status], status) if status in found else initial_status(record),
            decode(found[tags], tags) if tags in found else initial_tags(record),
        )

    # -- changing

    def update_status(self, flow: str, run: str, change: Callable[[Record], Record]) -> Record:
        """Replace the status by `change(status)`, which is called again if another process was faster."""
        return self._change(flow, run, layout.status_key, initial_status, change)

    def change_tags(self, flow: str, run: str, change: Callable[[set[str]], Iterable[str]]) -> Record:
        """Replace the user tags by `change(set of tags)`; the same rule. Returns the new record."""

        def apply(record: Record) -> Record:
            return {**record, "tags": sorted(set(change(set(record["tags"]))))}

        return self._change(flow, run, layout.tags_key, initial_tags, apply)

    def _read_mutable(self, flow, run, make_key, initial):
        key = make_key(flow, run)
        try:
            data, version = self._storage.read_versioned(key)
        except NotFound:
            return initial(self.read_run(flow, run)), None
        return decode(data, key), version

    def _change(self, flow, run, make_key, initial, change) -> Record:
        key = make_key(flow, run)
        for attempt in range(_TRIES):
            now, version = self._read_mutable(flow, run, make_key, initial)
            new = {**change(dict(now)), "version": now["version"] + 1}
            try:
                self._storage.write_if(key, encode(new, key), version)
                return new
            except StoreConflict:
                # Somebody made progress; waiting a random moment lets all of them through.
                _pause(attempt)
        raise StoreConflict(
            f"{key} is being changed by others all the time: gave up after {_TRIES} tries",
            hint="Try again in a moment.",
            data={"key": key},
        )

    # -- listing

    def list_flows(self) -> list[str]:
        return self._storage.list_dirs(layout.FLOWS)

    def list_runs(self, flow: str) -> list[str]:
        """Run ids, oldest first. An id whose claim was killed half way may be among them: see `exists`."""
        return self._run_folders(flow)

    def list_steps(self, flow: str, run: str) -> list[str]:
        """Names of the steps that have started, sorted."""
        folders = [
            name
            for name in self._storage.list_dirs(layout.run_folder(flow, run))
            if name not in (layout.BATCHES, layout.JOBS)
        ]
        return sorted({*folders, *(step for step, _, _ in self.batches.committed(flow, run))})

    def list_tasks(self, flow: str, run: str, step: str) -> list[str]:
        """Task ids of a step, in order of their numbers."""
        folders = self._storage.list_dirs(layout.step_folder(flow, run, step))
        return _numbers({*folders, *(t for s, t, _ in self.batches.committed(flow, run) if s == step)})

    def list_attempts(self, flow: str, run: str, step: str, task: str) -> list[int]:
        """Attempts that were started, finished or not."""
        folders = _numbers(self._storage.list_dirs(layout.task_folder(flow, run, step, task)))
        if folders:
            return [int(name) for name in folders]
        return sorted(a for s, t, a in self.batches.committed(flow, run) if (s, t) == (step, task))

    def _run_folders(self, flow: str) -> list[str]:
        return _numbers(self._storage.list_dirs(layout.flow_folder(flow)))


def _no_run(flow: str, run: str) -> NotFound:
    return NotFound(f"run {run} of {flow} does not exist", data={"flow": flow, "run": run})


def _numbers(names: Iterable[str]) -> list[str]:
    return sorted((name for name in names if name.isdecimal() and name.isascii()), key=int)


def _pause(attempt: int) -> None:
    import random
    import time

    time.sleep(random.uniform(0, min(0.1, 0.002 * (attempt + 1))))
