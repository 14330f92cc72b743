"""The loop that drives a run: it asks the scheduler what to do, lets a backend do it, and commits what came of it.

It is driven from outside in slices: `advance(timeout)` works for at most so long and returns the events that happened,
which whoever calls prints. It prints nothing, starts no thread that calls back, and everything it knows is in the
datastore before it says so. Events are dicts with "event" and, where they apply, "step", "task", "attempt":

    started  output(stream, lines)  done(seconds, caught)  split(count, into)  failed(cause, error, will_retry)
    cloned(count, by_step, origin)  warning(text)  finished(status, error, seconds)
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..contracts.backend import Backend, Report
from ..contracts.index import Index
from ..errors import MetaflowError
from ..store.open import Store
from .admission import Admission
from .cause import oom_kills, vanished
from .commit import attempt_record, carried_records, clone_record
from .follow import FollowedFile
from .order import task_order
from .outcome import discard_staged, read_result, splits_from_record, store_staged
from .plan import Plan
from .position import task_seed
from .states import Failure, Outcome, Scheduler, Task
from .tail import LogTail

__all__ = ["RunLoop"]

TAIL_SECONDS = 0.1
INDEX_SECONDS = 0.25
HEARTBEAT_SECONDS = 10.0
SYNC_SECONDS = 2.0


@dataclass
class _Attempt:
    """An attempt that is running."""

    task: Task
    folder: str
    started_at: float
    deadline: float | None
    tail: LogTail
    timed_out: bool = False
    shown: bool = False
    followed: dict[str, FollowedFile] = field(default_factory=dict)

    def unfollow(self) -> None:
        for file in self.followed.values():
            file.abandon()


class RunLoop:
    """One run. `record` is its run.json, whose id is claimed; `backend` starts its tasks."""

    def __init__(
        self, store: Store, record: Mapping[str, Any], plan: Plan, scheduler: Scheduler, backend: Backend, admission: Admission
    ) -> None:
        self.flow = record["flow"]
        self.run = record["run"]
        self.scheduler = scheduler
        self._record = record
        self._store = store
        self._plan = plan
        self._backend = backend
        self._admission = admission
        self._attempts: dict[str, _Attempt] = {}
        self._events: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._next_tail = self._next_index = self._next_heartbeat = 0.0
        self._next_sync = time.monotonic() + SYNC_SECONDS
        self._syncing: threading.Thread | None = None
        self._finished = False
        self._error: Any = None
        self._changed: set[str] = set()
        self._batches = 0
        # Every committed record as it was written; at the end, once more in one file (store/batches.py).
        self._records: list[bytes] = []
        self._oom_kills = oom_kills()
        self._index_failed = False
        self._claimed_folders = store.storage.local_path(f"flows/{self.flow}/{self.run}")
        for name, step in plan.steps.items():
            text = admission.excess(name, step.policy)
            if text:
                self._event("warning", text=text)
        scheduler.start()

    # -- from outside

    def advance(self, timeout_seconds: float) -> list[dict[str, Any]]:
        """Work for at most `timeout_seconds`; the events since the last call. Empty and finished: all is said."""
        until = time.monotonic() + timeout_seconds
        while not self._finished:
            self._clone()
            self._launch()
            if self.scheduler.status != "running":
                self._finish(self.scheduler.status)
                break
            for report in self._backend.poll(self._wait(until)):
                self._hear(report)
            self._chores()
            if time.monotonic() >= until:
                break
        events, self._events = self._events, []
        return events

    def warn(self, text: str) -> None:
        """Something that the user should know, said with the next events."""
        self._event("warning", text=text)

    def warn_when_cloned(self, steps: set[str]) -> None:
        """These steps have other code than the run they are cloned from; say so once for each that is."""
        self._changed = set(steps)

    @property
    def finished(self) -> bool:
        return self._finished

    @property
    def status(self) -> str:
        return self.scheduler.status

    def progress(self) -> dict[str, Any]:
        scheduler = self.scheduler
        return {
            "status": scheduler.status, "running": len(self._attempts), "waiting": scheduler.waiting(),
            "done": scheduler.done, "failed": len(scheduler.failed_tasks), "cloned": scheduler.cloned,
        }

    def interrupt(self) -> list[dict[str, Any]]:
        """Kill what runs and end the run as interrupted. Returns the last events."""
        if not self._finished:
            for key, attempt in list(self._attempts.items()):
                self._backend.cancel(key)
                attempt.unfollow()
                self._show(attempt, everything=True)
                self._row(attempt.task, "failed", cause="interrupted")
            self._attempts.clear()
            self.scheduler.interrupt()
            self._finish(self.scheduler.status)
        events, self._events = self._events, []
        return events

    def abandon(self, problem: BaseException) -> None:
        """The loop itself broke and will not be asked again: nothing runs on, and the run says so if it still can."""
        self._finished = True
        self._backend.close()
        with contextlib.suppress(MetaflowError, OSError):
            self._write_status({"status": "failed", "finished_at": time.time(), "error": {"message": str(problem)}})

    # -- launching

    def _clone(self) -> None:
        """Take over what an earlier run finished, all that is known at a time in one commit."""
        items = list(iter(self.scheduler.next_clone, None))
        if not items:
            return
        now = time.time()
        records = []
        for task, outcome in items:
            record = clone_record(self.flow, self.run, task, outcome.extra, now)
            self._complete_record(task, outcome, record)
            records.append(record)
        try:
            lines = self._store.runs.batches.commit(self.flow, self.run, self._batches, records)
        except (MetaflowError, OSError) as problem:
            self._cannot_commit(items[0][0], problem)
            return
        self._batches += 1
        self._records += lines
        steps: dict[str, int] = {}
        for (task, outcome), record in zip(items, records):
            self.scheduler.succeeded(task, outcome)
            self._row(task, "cloned", record)
            self._tell_splits(task, outcome)
            steps[task.step] = steps.get(task.step, 0) + 1
        self._warn_of_changes(steps)
        self._event("cloned", count=len(items), by_step=steps, origin=self._record["origin"]["run"])

    def _warn_of_changes(self, steps: Mapping[str, int]) -> None:
        for step in sorted(self._changed & set(steps)):
            self._event("warning", text=(
                f"the code of step '{step}' has changed, but its finished tasks are taken over as they are; "
                f"'resume {step}' runs it again"
            ))
        self._changed -= set(steps)

    def _tell_splits(self, task: Task, outcome: Outcome) -> None:
        if outcome.splits is not None:
            self._event("split", task, count=outcome.splits.count, into=self._plan.steps[task.step].next[0])

    def _launch(self) -> None:
        while self._backend.free_slots() > 0:
            task = self.scheduler.next_ready(time.monotonic(), self._admission.fits)
            if task is None:
                return
            self._submit(task)

    def _submit(self, task: Task) -> None:
        step = self._plan.steps[task.step]
        folder = f"{self._claimed_folders}/{task.step}/{task.id}/{task.attempt}"
        closes_foreach = step.closes is not None and self._plan.is_foreach(step.closes)
        order = task_order(task, step, folder, task_seed(self._record["seed"], task.position), named_inputs=not closes_foreach)
        now = time.monotonic()
        limit = step.policy.timeout_seconds if task.fallback is None else None
        self._attempts[task.key] = _Attempt(
            task, folder, time.time(), None if limit is None else now + limit, LogTail(folder)
        )
        self._admission.enter(task.key, step.policy)
        self._backend.submit(task.key, order)
        self._event("started", task)
        self._row(task, "running", {"started_at": time.time()})

    # -- hearing

    def _hear(self, report: Report) -> None:
        if report.kind == "broken":
            for key in list(self._attempts):
                self._backend.cancel(key)
                self._admission.leave(key)
                self.scheduler.running.pop(key, None)
            self._attempts.clear()
            self._error = {"message": report.message}
            self.scheduler.fail(report.message)
            return
        if report.kind == "writing":
            attempt = self._attempts.get(report.key)
            if attempt is not None:
                attempt.followed[report.message] = FollowedFile(f"{attempt.folder}/{report.message}")
            return
        attempt = self._attempts.pop(report.key, None)
        if attempt is None:
            return
        self._admission.leave(report.key)
        self._show(attempt, everything=True)
        try:
            self._end(attempt, read_result(attempt.folder) or self._vanished(attempt, report))
        except (MetaflowError, OSError, ValueError, KeyError) as problem:
            self._cannot_commit(attempt.task, problem)

    def _vanished(self, attempt: _Attempt, report: Report) -> dict[str, Any]:
        limit = self._plan.steps[attempt.task.step].policy.timeout_seconds if attempt.timed_out else None
        error = vanished(attempt.folder, report.exit, limit, self._oom_kills)
        self._oom_kills = oom_kills()
        return {"ok": False, "error": error, "started_at": attempt.started_at, "finished_at": time.time()}

    def _end(self, attempt: _Attempt, result: dict[str, Any]) -> None:
        task = attempt.task
        kept = store_staged(self._store.blobs, attempt.folder, result, attempt.followed)
        attempt.unfollow()
        record = attempt_record(self.flow, self.run, task, result, kept, bool(result["ok"]))
        record["seed"] = task_seed(self._record["seed"], task.position)
        if result["ok"]:
            self._succeeded(attempt, result, record)
        else:
            self._failed(attempt, result, record)

    def _succeeded(self, attempt: _Attempt, result: dict[str, Any], record: dict[str, Any]) -> None:
        task = attempt.task
        new = dict(record["artifacts"])
        new.update(carried_records(result.get("carried") or {}, [parent.table for parent in task.parents]))
        outcome = Outcome(new, splits_from_record(record["splits"]), result.get("condition"))
        self._commit(task, outcome, record, attempt)
        self.scheduler.succeeded(task, outcome)
        seconds = (record["finished_at"] or 0) - (record["started_at"] or 0)
        self._event("done", task, seconds=seconds, caught=result.get("caught"))
        self._tell_splits(task, outcome)
        self._row(task, "caught" if result.get("caught") else "done", record)

    def _failed(self, attempt: _Attempt, result: dict[str, Any], record: dict[str, Any]) -> None:
        task, error = attempt.task, record["error"]
        number = task.attempt
        record["logs"] = self._store.logs.sizes(self.flow, self.run, task.step, task.id, number)
        self._records.append(self._store.tasks.commit_task(record))
        discard_staged(attempt.folder)
        now = time.monotonic()
        again = self.scheduler.failed(task, Failure(error["cause"], error), now)
        event = {"error": error, "will_retry": again, "fallback": task.fallback is not None, "cause": error["cause"]}
        if again:
            event["retry_seconds"] = max(0.0, task.due - now)
        self._events.append({"event": "failed", "step": task.step, "task": task.id, "attempt": number, "position": task.position, **event})
        self._row(task, "retrying" if again else "failed", record, attempt=number)

    def _cannot_commit(self, task: Task, problem: Exception) -> None:
        text = f"the result of {task.key} could not be stored: {problem}"
        self._error = {"message": text}
        self._events.append({"event": "warning", "text": text})
        self.scheduler.running.pop(task.key, None)
        self.scheduler.fail(text)

    def _commit(self, task: Task, outcome: Outcome, record: dict[str, Any], attempt: _Attempt) -> None:
        """A task is done when its record is in the store; only then the scheduler is told."""
        self._complete_record(task, outcome, record)
        record["logs"] = self._store.logs.sizes(self.flow, self.run, task.step, task.id, task.attempt)
        self._records.append(self._store.tasks.commit_task(record))
        discard_staged(attempt.folder)

    def _complete_record(self, task: Task, outcome: Outcome, record: dict[str, Any]) -> None:
        table = self.scheduler.table_of(task, outcome)
        record["artifacts"] = dict(table.own)
        record["inherits"] = table.inherits

    # -- chores

    def _wait(self, until: float) -> float:
        now = time.monotonic()
        moments = [until, now + TAIL_SECONDS if self._attempts else until]
        wake = self.scheduler.next_wake()
        if wake is not None:
            moments.append(wake)
        moments.extend(a.deadline for a in self._attempts.values() if a.deadline is not None and not a.timed_out)
        return max(0.0, min(moments) - now)

    def _chores(self) -> None:
        now = time.monotonic()
        for key, attempt in self._attempts.items():
            if attempt.deadline is not None and now >= attempt.deadline and not attempt.timed_out:
                attempt.timed_out = True
                self._backend.cancel(key)
        if now >= self._next_tail:
            self._next_tail = now + TAIL_SECONDS
            for attempt in self._attempts.values():
                self._show(attempt)
        if now >= self._next_index:
            self._next_index = now + INDEX_SECONDS
            self._flush_rows()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            with contextlib.suppress(MetaflowError):  # the next one may come through, and none is vital
                self._write_status({"heartbeat_at": time.time()})

        if now >= self._next_sync:
            self._next_sync = now + SYNC_SECONDS
            self._sync_aside()

    def _sync_aside(self) -> None:
        """Make durable what was written so far, while tasks run; the end of the run then waits for little."""
        if self._syncing is None or not self._syncing.is_alive():
            self._syncing = threading.Thread(target=self._store.storage.sync, daemon=True)
            self._syncing.start()

    def _show(self, attempt: _Attempt, everything: bool = False) -> None:
        for stream, lines in attempt.tail.read(everything):
            self._event("output", attempt.task, stream=stream, lines=lines)

    def _finish(self, status: str) -> None:
        self._backend.close()
        scheduler = self.scheduler
        if scheduler.failed_tasks:
            task, failure = scheduler.failed_tasks[0]
            self._error = {**(failure.error or {}), "step": task.step, "task": task.id}
        elif scheduler.problem:
            self._error = {"message": scheduler.problem}
        self._flush_rows()
        if status != "interrupted":
            # An interrupt can come between a commit and our note of it; then only the commits themselves know.
            self._store.runs.batches.complete(self.flow, self.run, self._records)
        if self._syncing is not None:
            self._syncing.join()
        self._store.storage.sync()
        now = time.time()
        self._write_status({"status": status, "finished_at": now, "heartbeat_at": now, "error": self._error})
        self._store.close()
        # Not before here: whoever presses Ctrl-C meanwhile gets to this point once more.
        self._finished = True
        self._event("finished", status=status, error=self._error, seconds=now - self._record["created_at"])

    def _write_status(self, changes: dict[str, Any]) -> None:
        scheduler = self.scheduler
        counts = {"done": scheduler.done, "failed": len(scheduler.failed_tasks), "cloned": scheduler.cloned}

        def change(status: dict[str, Any]) -> dict[str, Any]:
            return {**status, "tasks": counts, **changes}

        status = self._store.runs.update_status(self.flow, self.run, change)
        self.in_index(lambda index: index.record_status(self.flow, self.run, status))

    def _flush_rows(self) -> None:
        if self._rows and self.in_index(lambda index: index.record_tasks(self._rows)):
            self._rows = []

    def in_index(self, change: Callable[[Index], None]) -> bool:
        """The index only makes things quick to find and can be made anew: a run does not fail because of it."""
        try:
            change(self._store.index)
        except MetaflowError as problem:
            if not self._index_failed:
                self._index_failed = True
                self.warn(f"the index could not be updated, metaflow::reindex() will mend it: {problem}")
            return False
        return True

    def _row(self, task: Task, status: str, record: Mapping[str, Any] | None = None, attempt: int | None = None, cause: str | None = None) -> None:
        record = record or {}
        error = record.get("error") or {}
        usage = record.get("usage") or {}
        self._rows.append({
            "flow": self.flow, "run": self.run, "step": task.step, "task": task.id,
            "attempt": task.attempt if attempt is None else attempt, "position": task.position, "status": status,
            "started_at": record.get("started_at"), "finished_at": record.get("finished_at"),
            "cause": cause or error.get("cause"), "message": error.get("message"), "origin": task.origin,
            "max_rss_bytes": usage.get("max_rss_bytes"), "user_seconds": usage.get("user"),
        })

    def _event(self, event: str, task: Task | None = None, **facts: Any) -> None:
        if task is not None:
            facts = {"step": task.step, "task": task.id, "attempt": task.attempt, "position": task.position, **facts}
        self._events.append({"event": event, **facts})
