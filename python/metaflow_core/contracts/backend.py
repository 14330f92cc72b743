"""What a backend is: it moves and starts task folders, and tells how they ended.

The engine hands over tasks, as many as it has at a time, and asks for reports. Facts that the engine needs are in
`BackendCapabilities`; it never asks "which backend is this?". There are two kinds of backends:

* the local one starts workers itself (R/worker.R): a worker leaves `result.json` in its folder, the engine commits;
* a cluster's starts a command line, `metaflow-task SPEC` (runners/task.py), somewhere else. The runner there fetches
  all it needs from the datastore, runs one worker with the very same protocol, and commits `task.json` itself
  (`commits`). A runner that dies leaves no record; then the cluster says how the job ended, as one of `CAUSES`
  (of contracts/decorator.py; "preempted": somebody with more rights took the job away, or cancelled it).

A cluster's backend is one file with a `PLUGIN`, a `BackendType`; what it must know of its cluster is a driver of few
verbs for backends/jobs.py, which has all that clusters have in common.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import InternalError
from .decorator import CAUSES, StepPolicy

__all__ = [
    "CAUSES",
    "Backend",
    "BackendCapabilities",
    "BackendContext",
    "BackendType",
    "JobList",
    "Report",
    "Submission",
    "check_backend",
]

@dataclass(frozen=True)
class BackendCapabilities:
    local_slots: bool
    """Tasks run on this machine and share its cores and memory."""
    commits: bool = False
    """A task runner commits the record of an attempt and enforces its time limit; the engine reads the record."""


@dataclass(frozen=True)
class Submission:
    """A task to be started. `key` ("step/task") names it in reports and in `cancel`; `path`
    ("Flow/run/step/task/attempt") names it for ever and everywhere. `order` is what the worker is told.

    `running`: its job was submitted by a scheduler that died since, and is to be watched, not to be started; `path` is
    then that of the earlier run.
    """

    key: str
    path: str
    order: Mapping[str, Any]
    policy: StepPolicy
    running: bool = False


@dataclass(frozen=True)
class Report:
    """Something that happened.

    `started`: the task left the queue and runs. `writing`: it began to write the file `message` in its folder. `ended`:
    the process of task `key` is done with it. `told`: the user should read `message`. `broken`: no task can run at
    all, `message` says why.

    `finished` is False when the process vanished instead of coming back; `exit` is its exit status or "signal N"
    where that is known. `cause` (one of CAUSES) and `message` are what a cluster knows about the end of its job.
    """

    kind: str
    key: str = ""
    finished: bool = True
    exit: Any = None
    message: str = ""
    cause: str = ""


class Backend(Protocol):
    def capabilities_for(self, policy: StepPolicy) -> BackendCapabilities:
        """The facts about where a task with this policy runs; most backends have one answer."""

    def submit(self, tasks: Sequence[Submission]) -> None:
        """Start these tasks, now or as soon as there is room. Returns at once."""

    def poll(self, timeout_seconds: float) -> list[Report]:
        """What happened to all tasks, waiting at most so long for the first report."""

    def cancel(self, keys: Iterable[str]) -> None:
        """Kill these tasks and every process they started, at once. Their `ended` reports still come."""

    def find(self, paths: Sequence[str]) -> set[str]:
        """Those of these tasks, of any run, whose jobs wait or run at this moment, whoever submitted them."""

    def close(self) -> None:
        """End all processes. Tasks that still run are killed."""

    def release(self) -> None:
        """End this side of it only, instead of `close`: what waits or runs in a cluster goes on, and another process
        will ask for it by `find`."""


@dataclass(frozen=True)
class BackendContext:
    """What a cluster's backend is made with. `store` is the opened datastore and `init` what every worker of the run
    gets first (engine/order.py). `workers` has for each language the "command" that starts a worker on a machine with
    the same files as this one, and its "environment". `python` starts the core there, `core` is the folder it is in.
    `max_workers` is None unless the user limited how many tasks run side by side."""

    settings: Any
    store: Any
    flow: str
    run: str
    init: Mapping[str, Any]
    workers: Mapping[str, Mapping[str, Any]]
    python: str
    core: str
    cwd: str | None = None
    max_workers: int | None = None


class JobList(Protocol):
    """Jobs that are there at this moment, whoever submitted them."""

    def list(self, flow: str, run: str | None, places: Iterable[str]) -> list[dict[str, Any]]:
        """{"job", "run", "step", "tasks", "status", "user", "created"} of each job of the flow, or of one run. Looked
        for in `places`, the parts of the cluster (`where` of backends/jobs.py) that runs sent jobs to, and in that of
        the settings. BackendError when one of them cannot be asked."""

    def kill(self, flow: str, run: str | None, places: Iterable[str]) -> list[str]:
        """End those that wait or run; their names."""


class SchedulerJobs(Protocol):
    """A cluster that can keep the scheduler of a run itself as a job (`--detach`)."""

    def arguments(self, given: Mapping[str, Any], of_steps: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments of the job: those that were `given` for it, else what follows from those `of_steps`."""

    def submit(
        self, name: str, folder: str, command: Sequence[str], environment: Mapping[str, str], args: Mapping[str, Any]
    ) -> str:
        """Start `command` in a job of this name, which starts again when its time is over; returns the job's id.
        `folder` is for notes: "suspend" and "stop" tell the command to do so, and it leaves "suspended". BackendError
        when there is no job."""

    def stop(self, name: str, force: bool) -> str:
        """End the job: "told" (its command ends the run), "ended" (it cannot), "gone" (there is no such job)."""


@dataclass(frozen=True)
class BackendType:
    """The `PLUGIN` of a backend. `check(settings, policies)` raises a MetaflowError, before anything is written, when
    the steps whose policies are given (by name) cannot run there: no client, no address, an option nobody knows.
    `missing(settings, args)` says, without asking anybody, why this place is not set up at all (None: it is) for a step
    with these arguments of its decorator; one that only names it in the flow then runs on this machine.
    `stands_for(settings)` makes it another name for a backend. `jobs(settings, store)` gives what lists and ends jobs
    of this place, for the commands; `schedulers` is there when the place can keep schedulers."""

    name: str
    help: str
    check: Callable[[Any, Mapping[str, StepPolicy]], None]
    make: Callable[[BackendContext], Backend]
    missing: Callable[[Any, Mapping[str, Any]], str | None] = lambda settings, args: None
    stands_for: Callable[[Any], str] | None = None
    jobs: Callable[[Any, Any], JobList] | None = None
    schedulers: SchedulerJobs | None = None
    aliases: tuple[str, ...] = ()


def check_backend(name: str, plugin: Any) -> None:
    """Raises InternalError unless `plugin` keeps the contract of this file."""
    if not isinstance(plugin, BackendType):
        raise InternalError(f"backend plugin '{name}': PLUGIN must be a BackendType, not {type(plugin).__name__}")
    if plugin.name != name:
        raise InternalError(f"backend plugin '{name}': it calls itself '{plugin.name}'")
