"""What all clusters have in common: tasks become jobs, jobs are watched, and how they ended is told.

A cluster's own part is a `Driver` of few verbs. All that can be slow, or fail for a while, happens in one thread:
the loop that drives the run never waits for a cluster. Three rules make it safe:

* A spec is in the datastore before its job is submitted, under a name that is never used again. The name travels with
  the job; a job is ours when it bears that name, whatever its id.
* When the answer to a submission is lost, the job is looked for by that name before it is submitted again.
* A task is done when its record is in the datastore, however the cluster says its job ended. Only a job that ended, or
  that nobody knows any more, and left no record, has failed.
"""

from __future__ import annotations

import contextlib
import hashlib
import queue
import secrets
import threading
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..contracts.backend import BackendCapabilities, BackendContext, Report, Submission
from ..contracts.decorator import StepPolicy
from ..errors import BackendError

__all__ = [
    "Driver",
    "Job",
    "JobBackend",
    "JobState",
    "Place",
    "Refused",
    "Unanswered",
    "command_words",
    "job_environment",
    "same_environment",
    "store_digest",
]

#: (name of the job's spec, number of the task in it)
Place = tuple[str, int]

_LOOK_AT_STORE_SECONDS = 0.2
_SLOWEST = 5.0
_RECORD_VISIBLE_SECONDS = 60.0  # network file systems may show a new file late
_NO_RECORD_SECONDS = 2.0
_UNKNOWN_LOOKS = 3
_UNKNOWN_SECONDS = 3.0
_SILENT_SECONDS = 20.0
_CLOSE_SECONDS = 60.0
_PATIENCE_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0)  # between questions about the jobs of an earlier run


class Refused(Exception):
    """The cluster said no, and the message says why. To a job, it is for ever."""


class Unanswered(Exception):
    """The cluster gave no answer, and the message says what was heard. What was asked for may have happened or not."""


@dataclass
class Job:
    """A spec and what was submitted for it: one job, or an array of as many tasks as it has `policies`.

    `address` is what its runners are told, `where` the part of the cluster it goes to. `handle` belongs to the driver,
    which may find it again by the name.
    """

    name: str
    address: str
    flow: str
    run: str
    step: str
    paths: list[str]
    policies: list[StepPolicy] = field(default_factory=list)
    where: str = ""
    handle: Any = None

    def places(self) -> list[Place]:
        return [(self.name, number) for number in range(len(self.paths))]


@dataclass(frozen=True)
class JobState:
    """`phase`: "waiting", "running" or "ended". Of a job that ended: why (one of CAUSES) and in words; `told` is True
    when its runner came to its end, so that its record must be there, at the latest when the file system shows it."""

    phase: str
    cause: str = ""
    message: str = ""
    told: bool = False


class Driver(Protocol):
    """A cluster. Each verb may raise Unanswered or Refused."""

    name: str
    title: str
    """As people call it, in messages."""
    max_array: int
    """Most tasks of one submission."""
    limits_arrays: bool
    """An array can be told how many of its tasks may run side by side; else they are submitted as others end."""
    same_files: bool
    """Its machines have the files of this one, at the same paths; else R and the core come with the image."""
    poll_seconds: float
    """How often the cluster may be asked."""

    def where(self, policy: StepPolicy) -> str:
        """The part of the cluster (a namespace, a queue) that is asked about such a job; "" when there is but one."""

    def group(self, task: Submission) -> Hashable:
        """Tasks of one step that answer the same may share an array job."""

    def submit(self, job: Job) -> None:
        """Start it."""

    def look(self, jobs: Sequence[Job]) -> dict[Place, JobState]:
        """The states of all tasks that the cluster knows of these jobs, found by the names of the jobs."""

    def diagnose(self, job: Job, number: int, state: JobState) -> JobState:
        """A closer look at a task that ended and left no record."""

    def cancel(self, places: Sequence[tuple[Job, int]]) -> None:
        """End these tasks. One that is not there any more is fine."""

    def tidy(self, job: Job, number: int) -> None:
        """The task has its record: what the cluster itself has of it is not needed any more."""


@dataclass
class _Watched:
    key: str
    path: str
    job: Job
    number: int
    since: float
    started: bool = False
    ended_at: float | None = None
    state: JobState | None = None
    unknown: int = 0
    cancelled: bool = False


class JobBackend:
    """The contract of contracts/backend.py for a cluster."""

    capabilities = BackendCapabilities(local_slots=False, commits=True)

    def __init__(self, context: BackendContext, driver: Driver) -> None:
        self._context = context
        self._driver = driver
        self._reports: queue.Queue[Report] = queue.Queue()
        self._lock = threading.Condition()
        self._new: list[Submission] = []
        self._to_cancel: set[str] = set()
        self._held: list[Submission] = []
        self._watched: dict[str, _Watched] = {}
        self._found: dict[str, tuple[Job, int]] = {}
        self._stopping = False
        self._leaving = False
        self._next_look = 0.0
        self._began = time.monotonic()
        self._silent_since: float | None = None
        self._complained = False
        self._has_looked = False
        self._thread: threading.Thread | None = None

    # -- the contract

    def capabilities_for(self, policy: StepPolicy) -> BackendCapabilities:
        return self.capabilities

    def submit(self, tasks: Sequence[Submission]) -> None:
        with self._lock:
            self._new.extend(tasks)
            self._lock.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=f"metaflow-{self._driver.name}", daemon=True)
            self._thread.start()

    def poll(self, timeout_seconds: float) -> list[Report]:
        reports = []
        try:
            if timeout_seconds > 0:
                reports.append(self._reports.get(timeout=timeout_seconds))
            while True:
                reports.append(self._reports.get_nowait())
        except queue.Empty:
            return reports

    def cancel(self, keys: Iterable[str]) -> None:
        with self._lock:
            self._to_cancel.update(keys)
            self._lock.notify()

    def find(self, paths: Sequence[str]) -> set[str]:
        wanted = set(paths)
        jobs: list[Job] = []
        for flow, run in sorted({tuple(path.split("/")[:2]) for path in paths}):
            jobs += self._jobs_of(flow, run, wanted)
        states = self._look_patiently(jobs) if jobs else {}
        alive = {}
        for job in jobs:
            for number, path in enumerate(job.paths):
                state = states.get((job.name, number))
                if path in wanted and state is not None and state.phase != "ended":
                    alive[path] = (job, number)
        self._found.update(alive)
        return set(alive)

    def _look_patiently(self, jobs: Sequence[Job]) -> dict[Place, JobState]:
        """What may still run must not be submitted again because nobody said that it does."""
        pauses = list(_PATIENCE_SECONDS)
        while True:
            try:
                return self._driver.look(jobs)
            except (Unanswered, Refused) as problem:
                if not pauses or isinstance(problem, Refused):
                    raise BackendError(
                        f"{self._driver.title} does not say which tasks of the earlier run still run: {problem}",
                        hint="Resume again where, and when, it can be asked.",
                    ) from None
                time.sleep(pauses.pop(0))

    def tell(self, text: str) -> None:
        """Something that the user should read; for drivers."""
        self._reports.put(Report("told", message=text))

    def close(self) -> None:
        self._end_thread()

    def release(self) -> None:
        self._leaving = True
        self._end_thread()

    def _end_thread(self) -> None:
        with self._lock:
            self._stopping = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_SECONDS)

    # -- the thread

    def _work(self) -> None:
        while True:
            with self._lock:
                if not (self._new or self._to_cancel or self._stopping):
                    self._lock.wait(self._pause())
                new, self._new = self._new, []
                cancelled, self._to_cancel = self._to_cancel, set()
                stopping = self._stopping
            try:
                if stopping:
                    if not self._leaving:
                        self._cancel(set(self._watched))
                    return
                self._start(new)
                self._cancel(cancelled)
                self._look()
                self._fill()
            except Exception as problem:  # noqa: BLE001 - a thread that dies silently would leave the run waiting for ever
                self._reports.put(Report("broken", message=f"{self._driver.title} cannot be used any more: {problem}"))
                return

    def _pause(self) -> float:
        return _LOOK_AT_STORE_SECONDS if self._watched else 3600.0

    # -- starting

    def _start(self, tasks: Sequence[Submission]) -> None:
        for task in tasks:
            if task.running:
                job, number = self._found[task.path]
                self._watched[task.key] = _Watched(task.key, task.path, job, number, time.monotonic())
            else:
                self._held.append(task)
        self._fill()

    def _fill(self) -> None:
        """Submit what waits for its turn: all there is, unless that would be more than the user allows to run."""
        limit = None if self._driver.limits_arrays else self._context.max_workers
        while self._held and not self._stopping:
            room = len(self._held) if limit is None else limit - len(self._watched)
            if room <= 0:
                return
            now, self._held = self._held[:room], self._held[room:]
            self._start_jobs(now)

    def _start_jobs(self, tasks: Sequence[Submission]) -> None:
        groups: dict[Hashable, list[Submission]] = {}
        for task in tasks:
            groups.setdefault((task.order["step"], self._driver.group(task)), []).append(task)
        size = self._driver.max_array
        for group in groups.values():
            for first in range(0, len(group), size):
                self._start_job(group[first : first + size])

    def _start_job(self, tasks: Sequence[Submission]) -> None:
        job = self._job(tasks)
        try:
            self._submit_once(job)
        except Refused as problem:
            text = f"{self._driver.title} refuses the job: {problem}"
            for task in tasks:
                self._reports.put(Report("ended", task.key, finished=False, cause="error", message=text))
            return
        now = time.monotonic()
        for number, task in enumerate(tasks):
            self._watched[task.key] = _Watched(task.key, task.path, job, number, now)
        self._next_look = now + min(0.5, self._driver.poll_seconds)

    def _job(self, tasks: Sequence[Submission]) -> Job:
        """Writes the spec."""
        context, driver = self._context, self._driver
        first = tasks[0].order
        name = f"{first['step']}-{first['task']}-{secrets.token_hex(6)}"
        where = driver.where(tasks[0].policy)
        head = {
            "backend": driver.name,
            "where": where,
            "init": dict(context.init),
            "workers": {name: dict(worker) for name, worker in context.workers.items()} if driver.same_files else {},
            "cwd": context.cwd if driver.same_files else None,
        }
        lines = [_line(task) for task in tasks]
        key = context.store.jobs.write(context.flow, context.run, name, head, lines)
        return Job(
            name, f"{context.settings.datastore_root}/{key}", context.flow, context.run, first["step"],
            [task.path for task in tasks], [task.policy for task in tasks], where,
        )

    def _submit_once(self, job: Job) -> None:
        """Submit until the cluster has it, and never twice."""
        while True:
            try:
                self._driver.submit(job)
                self._answered()
                return
            except Unanswered as problem:
                self._complain(problem)
            while True:
                if self._stopping:
                    if not self._leaving:
                        with contextlib.suppress(Unanswered, Refused):  # it may be there all the same
                            self._driver.cancel([(job, number) for number in range(len(job.paths))])
                    raise Refused("the run was stopped")
                time.sleep(1.0)
                try:
                    states = self._driver.look([job])
                    self._answered()
                    break
                except (Unanswered, Refused) as problem:  # only an answer tells whether the job is there
                    self._complain(problem)
            if states:
                return

    # -- watching

    def _look(self) -> None:
        if not self._watched:
            return
        now = time.monotonic()
        states: Mapping[Place, JobState] | None = None
        if now >= self._next_look:
            states = self._ask()
            self._next_look = time.monotonic() + self._look_seconds()
        cheap = self._context.store.storage.capabilities.cheap_listing
        for watched in list(self._watched.values()):
            if states is not None:
                self._note(watched, states.get((watched.job.name, watched.number)))
            if watched.ended_at is not None or cheap and watched.started or watched.unknown:
                self._settle(watched)

    def _look_seconds(self) -> float:
        """Often while the run is young, less often later: nobody waits for the seconds of an hour's run."""
        age = time.monotonic() - self._began
        return max(self._driver.poll_seconds, min(_SLOWEST, age / 60.0))

    def _ask(self) -> Mapping[Place, JobState] | None:
        jobs = {watched.job.name: watched.job for watched in self._watched.values()}
        try:
            states = self._driver.look(list(jobs.values()))
        except (Unanswered, Refused) as problem:
            # Who was answered before has a token that expired, say, which somebody renews; meanwhile the jobs go on.
            if isinstance(problem, Refused) and not self._has_looked:
                raise
            self._complain(problem)
            return None
        self._answered()
        self._has_looked = True
        return states

    def _note(self, watched: _Watched, state: JobState | None) -> None:
        now = time.monotonic()
        if state is None:
            watched.unknown += 1
            return
        watched.unknown = 0
        if state.phase == "ended":
            watched.state = state
            if watched.ended_at is None:
                watched.ended_at = now
        else:
            watched.ended_at = None
        if state.phase != "waiting" and not watched.started:
            watched.started = True
            self._reports.put(Report("started", watched.key))

    def _settle(self, watched: _Watched) -> None:
        """Tell the end of a task whose record is there, or whose job ended without one."""
        now = time.monotonic()
        if self._has_record(watched.path):
            self._driver.tidy(watched.job, watched.number)
            self._end(watched, Report("ended", watched.key))
        elif watched.ended_at is not None:
            wait = _RECORD_VISIBLE_SECONDS if watched.state.told and not watched.cancelled else _NO_RECORD_SECONDS
            if now - watched.ended_at >= wait:
                state = watched.state
                with contextlib.suppress(Unanswered, Refused):  # how it ended is known; why, not to everybody
                    state = self._driver.diagnose(watched.job, watched.number, state)
                self._fail(watched, state.cause or "crash", state.message)
        elif watched.unknown >= _UNKNOWN_LOOKS and now - watched.since >= _UNKNOWN_SECONDS:
            text = f"{self._driver.title} does not know the job any more, and it left no result."
            self._fail(watched, "lost", text)

    def _fail(self, watched: _Watched, cause: str, message: str) -> None:
        self._end(watched, Report("ended", watched.key, finished=False, cause=cause, message=message))

    def _has_record(self, path: str) -> bool:
        flow, run, step, task, attempt = path.split("/")
        return self._context.store.tasks.has_task(flow, run, step, task, int(attempt))

    def _end(self, watched: _Watched, report: Report) -> None:
        del self._watched[watched.key]
        self._reports.put(report)

    def _cancel(self, keys: set[str]) -> None:
        never_started = [task for task in self._held if task.key in keys]
        self._held = [task for task in self._held if task.key not in keys]
        for task in never_started:
            self._reports.put(Report("ended", task.key, finished=False, cause="preempted", message="It never started."))
        ours = [self._watched[key] for key in keys if key in self._watched and not self._watched[key].cancelled]
        if not ours:
            return
        for watched in ours:
            watched.cancelled = True
        for _ in range(5):
            try:
                self._driver.cancel([(watched.job, watched.number) for watched in ours])
                return
            except (Unanswered, Refused) as problem:
                self._complain(problem)
                time.sleep(1.0)
        self._reports.put(Report("told", message=f"{self._driver.title} did not confirm that the jobs are cancelled"))

    # -- a cluster that does not answer

    def _complain(self, problem: Unanswered | Refused) -> None:
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        elif now - self._silent_since > _SILENT_SECONDS and not self._complained:
            self._complained = True
            text = f"{self._driver.title} does not answer, still trying: {problem}"
            self._reports.put(Report("told", message=text))

    def _answered(self) -> None:
        if self._complained:
            self._reports.put(Report("told", message=f"{self._driver.title} answers again"))
        self._silent_since, self._complained = None, False

    # -- jobs of a scheduler that died

    def _jobs_of(self, flow: str, run: str, wanted: set[str]) -> list[Job]:
        """Jobs of this cluster with one of these tasks."""
        jobs = []
        store, root = self._context.store.jobs, self._context.settings.datastore_root
        for name in store.names(flow, run):
            head = store.read_head(flow, run, name)
            if head["backend"] != self._driver.name or "init" not in head:
                continue
            lines = store.read_tasks(flow, run, name)
            paths = [f"{flow}/{run}/{line['step']}/{line['task']}/{line['attempt']}" for line in lines]
            if wanted.intersection(paths):
                address = f"{root}/flows/{flow}/{run}/_jobs/{name}.json"
                policies = [StepPolicy(backend=self._driver.name, backend_args=line.get("place", {})) for line in lines]
                where = head.get("where") or self._driver.where(policies[0])
                jobs.append(Job(name, address, flow, run, lines[0]["step"], paths, policies, where))
        return jobs


def _line(task: Submission) -> dict[str, Any]:
    order = {name: value for name, value in task.order.items() if name != "dir"}
    return {
        "step": order["step"], "task": order["task"], "attempt": order["attempt"],
        "timeout_seconds": task.policy.timeout_seconds, "order": order, "place": dict(task.policy.backend_args),
    }


def store_digest(datastore_root: str) -> str:
    """Two datastores can both have a run 1 of the flow "Sales": jobs say by this which one they belong to."""
    return hashlib.sha256(datastore_root.encode()).hexdigest()[:16]


def command_words(context: BackendContext, job: Job, number: str, by: str, same_files: bool) -> list[str]:
    """The command line that runs a task of `job`. `number` and `by` (the cluster's own name for the job) are words that
    the shell, or the cluster, replaces: "$SLURM_ARRAY_TASK_ID"."""
    if not same_files:
        start = ["metaflow-task"]
    elif "://" in job.address:
        start = [context.python, "-m", "metaflow_core.runners.task"]
    else:
        # A datastore that is a directory needs nothing but the core: no other packages are looked for.
        start = [context.python, "-S", "-m", "metaflow_core.runners.task"]
    return [*start, job.address, "--task", number, "--job", by]


def job_environment(context: BackendContext, same_files: bool) -> dict[str, str]:
    """Environment variables that the runner needs to open the datastore. No secrets: those are the cluster's
    business."""
    from ..settings import runner_environment

    # A container has locales of its own, and the core.
    return same_environment(context.settings, context.core) if same_files else runner_environment(context.settings)


def same_environment(settings: Any, core: str) -> dict[str, str]:
    """Environment variables for a process with the same files as this one: it does what this one would do. `core`: the
    folder of the core, may be empty."""
    from ..settings import locale_environment, runner_environment

    environment = {**runner_environment(settings), **locale_environment()}
    return {**environment, "PYTHONPATH": core} if core else environment
