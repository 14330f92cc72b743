"""The loop that drives a run: it asks the scheduler what to do, lets a backend do it, and commits what came of it.

It is driven from outside in slices: `advance(timeout)` works for at most so long and returns the events that happened,
which whoever calls prints. It prints nothing, starts no thread that calls back, and everything it knows is in the
datastore before it says so. Events are dicts with "event" and, where they apply, "step", "task", "attempt":

    started  output(stream, lines)  done(seconds, caught)  split(count, into)
    failed(cause, error, will_retry, given_up)  cloned(count, by_step, origin, cached)  kept(count, by_step)
    warning(text)  suspended()  finished(status, error, seconds, given_up)
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ..contracts.backend import Backend, Report, Submission
from ..contracts.index import Index
from ..errors import MetaflowError, StoreConflict, StoreTooNew
from ..store.audit import AuditLog
from ..store.logs import LogUploader
from ..store.open import Store
from ..store.record_lines import RecordLines
from ..store.records import encode
from .admission import Admission
from .aside import Aside
from .cause import job_ended, oom_kills, vanished
from .collector import collector_paused
from .commit import attempt_record, carried_records, clone_record
from .committed import Committed, read_committed
from .follow import FollowedFile
from .order import task_order
from .outcome import discard_staged, keep_order, read_result, splits_from_record, store_staged
from .plan import Plan
from .position import task_seed
from .resume import RunningJob, note_jobs_taken_over
from .states import Failure, Outcome, Scheduler, Task
from .tail import LogTail, StoredLogTail

if TYPE_CHECKING:  # only runs with memoised steps load it
    from .memory import Memory

__all__ = ["RunLoop"]

TAIL_SECONDS = 0.1
REMOTE_TAIL_SECONDS = 1.0
INDEX_SECONDS = 0.25
HEARTBEAT_SECONDS = 10.0
SYNC_SECONDS = 2.0
LOG_SECONDS = 2.0
ASIDE_THREADS = 16
ASIDE_SECONDS = 0.01  # what came from there is looked for so often
INTERRUPT_SECONDS = 5.0


@dataclass
class _Attempt:
    """An attempt that is running. `path` is where its record and logs are; `remote`: a task runner commits it."""

    task: Task
    path: str
    folder: str
    started_at: float
    deadline: float | None
    tail: LogTail
    order: Mapping[str, Any]
    remote: bool = False
    runs: bool = True
    timed_out: bool = False
    shown: bool = False
    followed: dict[str, FollowedFile] = field(default_factory=dict)
    logs: LogUploader | None = None
    logs_under_way: bool = False

    def unfollow(self) -> None:
        for file in self.followed.values():
            file.abandon()


class RunLoop:
    """One run. `record` is its run.json, whose id is claimed; `backend` starts its tasks. `first_batch`: batches of
    records with smaller numbers are there already."""

    def __init__(
        self, store: Store, record: Mapping[str, Any], plan: Plan, scheduler: Scheduler, backend: Backend,
        admission: Admission, memory: Memory | None = None,
        find_job: Callable[[Task], RunningJob | None] = lambda task: None,
        first_batch: int = 0,
    ) -> None:
        self.flow = record["flow"]
        self.run = record["run"]
        self.scheduler = scheduler
        self._record = record
        self._store = store
        self._plan = plan
        self._backend = backend
        self._admission = admission
        self._memory = memory
        self._find_job = find_job
        self._attempts: dict[str, _Attempt] = {}
        self._events: list[dict[str, Any]] = []
        self._rows: list[dict[str, Any]] = []
        self._next_tail = self._next_remote_tail = self._next_index = self._next_heartbeat = 0.0
        self._next_sync = time.monotonic() + SYNC_SECONDS
        self._syncing: threading.Thread | None = None
        self._finished = False
        self._error: Any = None
        self._changed: set[str] = set()
        self._batches = first_batch
        # Every committed record as it was written; at the end, once more in one file (store/batches.py).
        self._records = RecordLines()
        # Some task left a result that is in no record: a resume has to look for it.
        self._uncommitted = False
        self._oom_kills = oom_kills()
        self._index_failed = False
        self._printed = False
        self._claimed_folders = store.work.run_folder(self.flow, self.run)
        self._aside = Aside(ASIDE_THREADS if store.work.apart else 0)
        self._next_logs = 0.0
        for name, step in plan.steps.items():
            text = admission.excess(name, step.policy) if backend.capabilities_for(step.policy).local_slots else None
            if text:
                self._event("warning", text=text)
        scheduler.start()

    # -- from outside

    def advance(self, timeout_seconds: float) -> list[dict[str, Any]]:
        """Work for at most `timeout_seconds`; the events since the last call. Empty and finished: all is said."""
        until = time.monotonic() + timeout_seconds
        while not self._finished:
            self._clone(until)
            self._launch()
            if self.scheduler.status != "running":
                self._finish(self.scheduler.status)
                break
            for report in self._backend.poll(self._wait(until)):
                self._hear(report)
            self._aside.collect()
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
            "done": scheduler.done, "failed": scheduler.failed_count, "cloned": scheduler.cloned,
        }

    def kill_local(self) -> None:
        """Kill what runs on this machine and write nothing: nothing here can wait for a network or a full disk."""
        if not self._finished:
            self._backend.cancel([attempt.task.key for attempt in self._attempts.values() if not attempt.remote])

    def interrupt(self) -> list[dict[str, Any]]:
        """Kill what runs and end the run as interrupted. Returns the last events."""
        if not self._finished:
            self._stop(list(self._attempts.values()))
            self.scheduler.interrupt()
            self._finish(self.scheduler.status)
        events, self._events = self._events, []
        return events

    def suspend(self) -> list[dict[str, Any]]:
        """Leave the run to another process, which continues it: tasks in clusters go on, those here are stopped and
        begin again. Returns the last events."""
        if not self._finished:
            self._stop([attempt for attempt in self._attempts.values() if not attempt.remote])
            self._attempts.clear()
            self._backend.release()
            self._aside.close()
            self._flush_rows()
            if self._memory is not None:
                with contextlib.suppress(MetaflowError):
                    self._memory.write(time.monotonic(), at_once=True)
            if self._syncing is not None:
                self._syncing.join()
            self._store.storage.sync()
            now = time.time()
            self._write_status({"heartbeat_at": now, "suspended_at": now})
            self._store.close()
            self._finished = True
            self._event("suspended")
        events, self._events = self._events, []
        return events

    def _stop(self, attempts: list[_Attempt]) -> None:
        self._backend.cancel([attempt.task.key for attempt in attempts])
        for attempt in attempts:
            attempt.unfollow()
            self._show(attempt, everything=True)
            self._row(attempt.task, "failed", cause="interrupted")
            del self._attempts[attempt.task.key]
        self._bring_last(attempt for attempt in attempts if attempt.logs is not None)

    def _bring_last(self, stopped: Iterable[_Attempt]) -> None:
        """The logs of what was stopped, and the results of tasks that were done; those that take longer are taken over
        by the next resume."""
        stopped = list(stopped)
        for attempt in stopped:
            self._aside.do(partial(attempt.logs.push, final=True), _nothing, _nothing)
        self._aside.wait(INTERRUPT_SECONDS)
        if not len(self._aside):
            for attempt in stopped:
                self._store.work.discard_attempt(attempt.folder)

    def abandon(self, problem: BaseException) -> None:
        """The loop itself broke and will not be asked again: nothing runs on, and the run says so if it still can."""
        self._finished = True
        self._backend.close()
        self._aside.close()
        with contextlib.suppress(MetaflowError, OSError):
            self._write_status({"status": "failed", "finished_at": time.time(), "error": {"message": str(problem)}})

    # -- launching

    def _clone(self, until: float) -> None:
        """Take over what an earlier run finished, all that is known at a time in one commit, and say it once."""
        kept: Counter[str] = Counter()
        taken: Counter[str] = Counter()
        remembered: Counter[str] = Counter()
        while items := list(iter(self.scheduler.next_clone, None)):
            of_this_run, of_others = [i for i in items if i[0].kept], [i for i in items if not i[0].kept]
            with collector_paused():
                self._keep(of_this_run, kept)
                if of_others:
                    self._take_over(of_others, taken, remembered)
            if time.monotonic() >= until:
                break
        if kept:
            self._event("kept", count=sum(kept.values()), by_step=dict(kept))
        origin = (self._record["origin"] or {}).get("run")
        for counts, cached in (taken, False), (remembered, True):
            if counts:
                of_run = None if cached else origin
                self._event("cloned", count=sum(counts.values()), by_step=dict(counts), origin=of_run, cached=cached)

    def _keep(self, items: list[tuple[Task, Outcome]], counts: Counter[str]) -> None:
        """What this very run did in an earlier process stands as it is."""
        for task, outcome in items:
            record = outcome.extra
            self._records.append(encode(record, f"{self.flow}/{self.run}/{task.home}"))
            self.scheduler.succeeded(task, outcome)
            self._row(task, "cloned" if task.cloned else "caught" if record.get("caught") else "done", record)
            self._tell_splits(task, outcome)
            counts[task.step] += 1

    def _take_over(self, items: list[tuple[Task, Outcome]], taken: Counter[str], remembered: Counter[str]) -> None:
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
        self._records.extend(lines)
        for (task, outcome), record in zip(items, records):
            self.scheduler.succeeded(task, outcome)
            self._row(task, "cloned", record)
            self._tell_splits(task, outcome)
            (remembered if task.remembered else taken)[task.step] += 1
        self._warn_of_changes(taken)

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
        """Everything that can start now, in one submission: a foreach becomes one array job of a cluster."""
        batch = []
        while True:
            task = self.scheduler.next_ready(time.monotonic(), self._fits)
            if task is None:
                break
            batch.append(self._submission(task))
        if batch:
            note_jobs_taken_over(self._store.jobs, self.flow, self.run, [task for task in batch if task.running])
            self._backend.submit(batch)

    def _fits(self, policy: Any) -> bool:
        # Results that travel keep their disk; a network that is slower than the tasks slows them down.
        if len(self._aside) > 4 * ASIDE_THREADS:
            return False
        return not self._backend.capabilities_for(policy).local_slots or self._admission.fits(policy)

    def _submission(self, task: Task) -> Submission:
        step, policy = self._plan.steps[task.step], self.scheduler.policy_of(task)
        job = self._find_job(task)
        path = f"{self.flow}/{self.run}/{task.home}"
        if job is not None:
            path, policy = job.path, replace(policy, backend=job.backend)
        facts = self._backend.capabilities_for(policy)
        folder = f"{self._claimed_folders}/{task.step}/{task.id}/{task.attempt}"
        closes_foreach = step.closes is not None and self._plan.is_foreach(step.closes)
        order = task_order(
            task, step, folder, task_seed(self._record["seed"], task.position), named_inputs=not closes_foreach
        )
        if facts.commits and self._memory is not None and self._memory.remembers(task.step):
            order["memo"] = {"why": self._memory.why(task)}
        now = time.monotonic()
        limit = policy.timeout_seconds if task.fallback is None and not facts.commits else None
        self._attempts[task.key] = _Attempt(
            task,
            path,
            folder,
            time.time(),
            None if limit is None else now + limit,
            StoredLogTail(self._store.logs, path) if facts.commits else LogTail(folder),
            order,
            remote=facts.commits,
            runs=not facts.commits,
            logs=LogUploader(self._store, self._place(task), folder)
            if self._store.work.apart and not facts.commits
            else None,
        )
        if facts.local_slots:
            self._admission.enter(task.key, policy)
        self._event("started", task)
        self._row(task, "running", {"started_at": time.time()})
        return Submission(task.key, path, order, policy, running=job is not None)

    def _place(self, task: Task) -> tuple[str, str, str, str, int]:
        return self.flow, self.run, task.step, task.id, task.attempt

    # -- hearing

    def _hear(self, report: Report) -> None:
        if report.kind == "broken":
            self._backend.cancel(list(self._attempts))
            for key in list(self._attempts):
                self._admission.leave(key)
                self.scheduler.running.pop(key, None)
            self._attempts.clear()
            self._error = {"message": report.message}
            self._uncommitted = True
            self.scheduler.fail(report.message)
            return
        if report.kind == "writing":
            attempt = self._attempts.get(report.key)
            if attempt is not None:
                attempt.followed[report.message] = FollowedFile(f"{attempt.folder}/{report.message}")
            return
        if report.kind == "told":
            self.warn(report.message)
            return
        if report.kind == "started":
            attempt = self._attempts.get(report.key)
            if attempt is not None:
                attempt.runs = True
            return
        attempt = self._attempts.pop(report.key, None)
        if attempt is None:
            return
        self._admission.leave(report.key)
        self._show(attempt, everything=True)
        try:
            if attempt.remote:
                self._end_remote(attempt, report)
                return
            result = read_result(attempt.folder) or self._vanished(attempt, report)
        except (MetaflowError, OSError, ValueError, KeyError) as problem:
            self._cannot_commit(attempt.task, problem)
            return
        self._do(attempt, partial(self._bring, attempt, result), partial(self._end, attempt, result))

    def _do(self, attempt: _Attempt, action: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Something with the store that may take a while, and what follows from it."""

        def failed(problem: Exception) -> None:
            if not isinstance(problem, (MetaflowError, OSError, ValueError, KeyError)):
                raise problem
            self._cannot_commit(attempt.task, problem)

        self._aside.do(action, then, failed)

    def _vanished(self, attempt: _Attempt, report: Report) -> dict[str, Any]:
        step = self._plan.steps[attempt.task.step]
        limit = step.policy.timeout_seconds if attempt.timed_out else None
        error = vanished(attempt.folder, report.exit, limit, self._oom_kills, step.language)
        self._oom_kills = oom_kills()
        return {"ok": False, "error": error, "started_at": attempt.started_at, "finished_at": time.time()}

    def _bring(self, attempt: _Attempt, result: dict[str, Any]) -> tuple[dict[str, Any], dict[str, int]]:
        """What the attempt left, in the store: (what was kept, sizes of the logs)."""
        kept = store_staged(self._store.blobs, attempt.folder, result, attempt.followed)
        attempt.unfollow()
        if result.get("error") is not None:
            kept["order"] = keep_order(self._store.blobs, attempt.order)
        if attempt.logs is not None:
            return kept, attempt.logs.push(final=True)
        return kept, self._store.logs.sizes(*self._place(attempt.task))

    def _end(self, attempt: _Attempt, result: dict[str, Any], brought: tuple[dict[str, Any], dict[str, int]]) -> None:
        task = attempt.task
        kept, logs = brought
        record = attempt_record(self.flow, self.run, task, result, kept, bool(result["ok"]))
        record["seed"] = task_seed(self._record["seed"], task.position)
        outcome = self._outcome(task, result, record) if result["ok"] else None
        record["logs"] = logs
        record.update(attempt.tail.times.record())
        self._do(attempt, partial(self._commit, record), partial(self._committed, attempt, record, outcome))

    def _outcome(self, task: Task, result: dict[str, Any], record: dict[str, Any]) -> Outcome:
        new = dict(record["artifacts"])
        new.update(carried_records(result.get("carried") or {}, [p.table for p in task.parents if p.table is not None]))
        outcome = Outcome(new, splits_from_record(record["splits"]), result.get("condition"))
        if self._memory is not None:
            record["memo"] = self._memory.remember(task, result, new)
        self._complete_record(task, outcome, record)
        return outcome

    def _commit(self, record: dict[str, Any]) -> bytes:
        if record["ok"] and record.get("reads"):
            # Before the commit, so that no reader is ever missing; one that did not finish is left out when looked up.
            self._store.readers.add(record)
        return self._store.tasks.commit_task(record)

    def _committed(self, attempt: _Attempt, record: dict[str, Any], outcome: Outcome | None, written: bytes) -> None:
        """A task is done when its record is in the store; only then the scheduler is told."""
        self._records.append(written)
        self._discard(attempt)
        if outcome is None:
            self._tell_failure(attempt.task, record)
        else:
            self._tell_success(attempt.task, outcome, record)

    def _discard(self, attempt: _Attempt) -> None:
        if self._store.work.apart:
            self._store.work.discard_attempt(attempt.folder)
        else:
            discard_staged(attempt.folder)

    def _tell_success(self, task: Task, outcome: Outcome, record: Mapping[str, Any]) -> None:
        self.scheduler.succeeded(task, outcome)
        seconds = (record["finished_at"] or 0) - (record["started_at"] or 0)
        self._event("done", task, seconds=seconds, caught=record.get("caught"))
        self._tell_splits(task, outcome)
        self._row(task, "cloned" if task.cloned else "caught" if record.get("caught") else "done", record)

    def _tell_failure(self, task: Task, record: Mapping[str, Any]) -> None:
        error, number = record["error"], task.attempt
        now = time.monotonic()
        again = self.scheduler.failed(task, Failure(error["cause"], error), now)
        event = {"error": error, "will_retry": again, "fallback": task.fallback is not None, "cause": error["cause"]}
        event["given_up"] = task.failure is not None
        if again:
            event["retry_seconds"] = max(0.0, task.due - now)
            if self._plan.steps[task.step].policy.retry_memory_mb and task.fallback is None:
                event["memory_mb"] = self.scheduler.policy_of(task).memory_mb
        self._events.append(
            {
                "event": "failed",
                "step": task.step,
                "task": task.id,
                "attempt": number,
                "position": task.position,
                **event,
            }
        )
        self._row(task, "retrying" if again else "failed", record, attempt=number)

    # -- what a task runner committed

    def _end_remote(self, attempt: _Attempt, report: Report) -> None:
        """The record is in the store already, or the runner died before it could write it."""
        task = attempt.task
        found = read_committed(self._store, attempt.path)
        if found is None or attempt.path != f"{self.flow}/{self.run}/{task.home}":
            found = self._end_here(attempt, report, found)
        self._records.append(found.written)
        if self._memory is not None and found.record.get("memo") and not task.cloned:
            result = {**found.record, **found.record["memo"], "join": self._plan.steps[task.step].join}
            self._memory.remember(task, result, found.record["memo"]["own"])
        if found.record["ok"]:
            self._tell_success(task, found.outcome(task, self._plan.steps[task.step].join), found.record)
        else:
            self._tell_failure(task, found.record)

    def _end_here(self, attempt: _Attempt, report: Report, found: Committed | None) -> Committed:
        """The record of an attempt whose runner left none, or left it in the run that this one resumes."""
        task = attempt.task
        if found is not None and found.record["ok"]:
            task.cloned, task.origin = True, found.record.get("origin") or attempt.path
            record = clone_record(self.flow, self.run, task, found.record, time.time())
            self._complete_record(task, found.outcome(task, self._plan.steps[task.step].join), record)
        else:
            times = {"started_at": attempt.started_at, "finished_at": time.time()}
            result = found.record if found is not None else {"ok": False, "error": job_ended(report), **times}
            record = attempt_record(self.flow, self.run, task, result, {}, ok=False)
            record["seed"] = task_seed(self._record["seed"], task.position)
            record["logs"] = self._store.logs.sizes(self.flow, self.run, task.step, task.id, task.attempt)
        try:
            found = Committed(record, self._store.tasks.commit_task(record))
            self._discard(attempt)
            return found
        except StoreConflict:
            late = read_committed(self._store, f"{self.flow}/{self.run}/{task.home}")
            if late is None:
                raise
            return late  # the runner was only thought to be dead

    def _cannot_commit(self, task: Task, problem: Exception) -> None:
        text = f"the result of {task.key} could not be stored: {problem}"
        self._uncommitted = True
        self._error = {"message": text}
        self._events.append({"event": "warning", "text": text})
        self.scheduler.running.pop(task.key, None)
        self.scheduler.fail(text)

    def _complete_record(self, task: Task, outcome: Outcome, record: dict[str, Any]) -> None:
        table = self.scheduler.table_of(task, outcome)
        record["artifacts"] = dict(table.own)
        record["inherits"] = table.inherits

    # -- chores

    def _wait(self, until: float) -> float:
        now = time.monotonic()
        moments = [until, now + TAIL_SECONDS if self._attempts else until]
        if len(self._aside):
            moments.append(now + ASIDE_SECONDS)
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
                self._backend.cancel([key])
        if now >= self._next_tail:
            self._next_tail = now + TAIL_SECONDS
            for attempt in self._attempts.values():
                if not attempt.remote:
                    self._show(attempt)
        if now >= self._next_remote_tail:
            self._next_remote_tail = now + REMOTE_TAIL_SECONDS
            for attempt in self._attempts.values():
                if attempt.remote and attempt.runs:
                    self._show(attempt)
        if self._store.work.apart and now >= self._next_logs:
            self._next_logs = now + LOG_SECONDS
            for attempt in self._attempts.values():
                self._push_logs(attempt)
        if now >= self._next_index:
            self._next_index = now + INDEX_SECONDS
            self._flush_rows()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + HEARTBEAT_SECONDS
            with contextlib.suppress(MetaflowError):  # the next one may come through, and none is vital
                self._write_status({"heartbeat_at": time.time()})

        if self._memory is not None:
            with contextlib.suppress(MetaflowError):  # what is forgotten is done again
                self._memory.write(now)
        if now >= self._next_sync:
            self._next_sync = now + SYNC_SECONDS
            self._sync_aside()

    def _push_logs(self, attempt: _Attempt) -> None:
        """What a task has printed so far, for those who follow it from elsewhere. Nothing depends on it."""
        if attempt.logs is None or attempt.logs_under_way:
            return

        def pushed(_: Any) -> None:
            attempt.logs_under_way = False

        attempt.logs_under_way = True
        self._aside.do(attempt.logs.push, pushed, pushed)

    def _sync_aside(self) -> None:
        """Make durable what was written so far, while tasks run; the end of the run then waits for little."""
        if self._syncing is None or not self._syncing.is_alive():
            self._syncing = threading.Thread(target=self._store.storage.sync, daemon=True)
            self._syncing.start()

    def _show(self, attempt: _Attempt, everything: bool = False) -> None:
        for stream, lines in attempt.tail.read(everything):
            self._printed = True
            self._event("output", attempt.task, stream=stream, lines=lines)

    def _finish(self, status: str) -> None:
        self._backend.close()
        self._aside.close()
        scheduler = self.scheduler
        if scheduler.failed_tasks:
            task, failure = scheduler.failed_tasks[0]
            self._error = {**(failure.error or {}), "step": task.step, "task": task.id}
        elif scheduler.problem:
            self._error = {"message": scheduler.problem}
        self._flush_rows()
        if self._memory is not None:
            with contextlib.suppress(MetaflowError):
                self._memory.write(time.monotonic(), at_once=True)
        if status != "interrupted" and not self._uncommitted:
            # An interrupt can come between a commit and our note of it; then only the commits themselves know.
            self._store.runs.batches.complete(self.flow, self.run, self._records)
        if self._syncing is not None:
            self._syncing.join()
        self._store.storage.sync()
        now = time.time()
        self._write_status({"status": status, "finished_at": now, "heartbeat_at": now, "error": self._error})
        # The end is in status.json already; a record that cannot be written must not spoil it.
        seconds = now - self._record["created_at"]
        about = {"flow": self.flow, "run": self.run, "seconds": seconds}
        AuditLog(self._store.storage).try_write(f"run {status}", self._record["user"], **about)
        self._store.close()
        if not self._store.work.attempts(self.flow, self.run):
            self._store.work.discard_run(self.flow, self.run)
        # Not before here: whoever presses Ctrl-C meanwhile gets to this point once more.
        self._finished = True
        self._event("finished", status=status, error=self._error, seconds=seconds, given_up=len(scheduler.given_up))

    def _write_status(self, changes: dict[str, Any]) -> None:
        scheduler = self.scheduler
        counts = {"done": scheduler.done, "failed": scheduler.failed_count, "cloned": scheduler.cloned}

        def change(status: dict[str, Any]) -> dict[str, Any]:
            return {**status, "tasks": counts, **changes}

        status = self._store.runs.update_status(self.flow, self.run, change)
        self.in_index(lambda index: index.record_status(self.flow, self.run, status))

    def _flush_rows(self) -> None:
        if self._rows:
            if self.in_index(lambda index: index.record_tasks(self._rows)):
                self._rows, self._printed = [], False
        elif self._printed:
            self._printed = not self.in_index(lambda index: index.announce(self.flow, self.run))

    def in_index(self, change: Callable[[Index], None]) -> bool:
        """The index only makes things quick to find and can be made anew: a run does not fail because of it."""
        try:
            change(self._store.index)
        except MetaflowError as problem:
            if not self._index_failed:
                self._index_failed = True
                cure = "" if isinstance(problem, StoreTooNew) else ", metaflow::reindex() will mend it"
                self.warn(f"the index could not be updated{cure}: {problem}")
            return False
        return True

    def _row(
        self,
        task: Task,
        status: str,
        record: Mapping[str, Any] | None = None,
        attempt: int | None = None,
        cause: str | None = None,
    ) -> None:
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


def _nothing(_: Any) -> None:
    """What came of it does not matter."""
