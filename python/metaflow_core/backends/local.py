"""Runs tasks in worker processes of this machine, one per slot: R's (R/worker.R), and those of other languages that
speak the same protocol (pystep/worker.py), which are started when a task needs them.

A worker is told its task by one JSON line and answers with one. In mode "fork" it serves task after task; in mode
"fresh" it ends with its task, and the next one is started ahead of time.
"""

from __future__ import annotations

import json
import os
import selectors
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..contracts.backend import BackendCapabilities, Report, Submission
from ..contracts.decorator import StepPolicy
from .need import Fetch, answer_need
from .process_tree import kill_tree
from .split_values import with_values

__all__ = ["LocalBackend"]

MARK = "METAFLOW_WORKER"
DEFAULT_LANGUAGE = "r"
_CHUNK = 1 << 16
_ONLY_ECHOED = ("position", "parents", "frames")
_ECHOED = ("step", "task", "attempt", "seed", "join", *_ONLY_ECHOED)


class _Worker:
    """One R process and the two ends of its pipes. `task` is the key of what it works on, `mark` what is in the
    environment of this worker, and of all that it starts, only."""

    def __init__(
        self, pid: int, stdin: int, stdout: int, mark: str, process: Any = None, language: str = DEFAULT_LANGUAGE
    ) -> None:
        self.pid = pid
        self.language = language
        self.mark = mark
        # Whoever made the pipes may have made them non-blocking; a long order must get through whole.
        os.set_blocking(stdin, True)
        self.stdin = stdin
        self.stdout = stdout
        self.process = process
        self.task: str | None = None
        self.ready = False
        self._rest = b""

    def send(self, message: Mapping[str, Any]) -> None:
        data = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        while data:
            data = data[os.write(self.stdin, data) :]

    def receive(self) -> list[dict[str, Any]] | None:
        """Complete messages that have arrived; None at the end of the stream."""
        chunk = os.read(self.stdout, _CHUNK)
        if not chunk:
            return None
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        return [json.loads(line) for line in lines if line.strip()]

    def close(self) -> None:
        for handle in (self.stdin, self.stdout):
            try:
                os.close(handle)
            except OSError:
                pass

    def kill(self) -> None:
        """Everything it started dies with it, whatever became of it."""
        kill_tree(self.pid, f"{MARK}={self.mark}")

    def exit_status(self) -> Any:
        if self.process is None:
            return None
        from subprocess import TimeoutExpired

        try:
            code = self.process.wait(timeout=5)
        except TimeoutExpired:
            return None
        return f"signal {-code}" if code < 0 else code


class LocalBackend:
    """`command` starts a worker, `environment` is added to this process's, `init` is the order it gets first. `others`
    are the (command, environment) of workers for orders with a "language" of their own; all share the slots. `spare`:
    when each worker does one task only, the next one is started ahead of time.

    `fetch(digests)` brings blobs that a task misses into the folder `init["blobs"]` and returns those it cannot find;
    it is called in threads.
    """

    capabilities = BackendCapabilities(local_slots=True)

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        init: Mapping[str, Any],
        slots: int,
        cwd: str | None = None,
        one_task_each: bool = False,
        spare: bool = True,
        others: Mapping[str, tuple[Sequence[str], Mapping[str, str]]] | None = None,
        fetch: Fetch | None = None,
    ) -> None:
        self._commands = {DEFAULT_LANGUAGE: (command, environment), **(others or {})}
        self._init = dict(init)
        self._cwd = cwd
        self._one_task_each = one_task_each
        self._spare = spare
        self._fetch = fetch
        self._slots = slots
        self._workers: set[_Worker] = set()
        self._by_task: dict[str, _Worker] = {}
        self._waiting: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._due: list[Report] = []
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0

    # -- the contract

    def capabilities_for(self, policy: StepPolicy) -> BackendCapabilities:
        return self.capabilities

    def free_slots(self) -> int:
        return self._slots - len(self._by_task) - len(self._waiting)

    def submit(self, tasks: Sequence[Submission]) -> None:
        self._waiting.extend((task.key, task.order) for task in tasks)
        self._assign()
        self._start_as_needed()

    def poll(self, timeout_seconds: float) -> list[Report]:
        reports, self._due = self._due, []
        for selected, _ in self._selector.select(0.0 if reports else max(0.0, timeout_seconds)):
            self._hear(selected.data, reports)
        self._assign()
        return reports

    def cancel(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._cancel(key)

    def find(self, paths: Sequence[str]) -> set[str]:
        return set()  # a worker ends with its task, whoever of the two outlives the scheduler: nothing to take over

    def _cancel(self, key: str) -> None:
        worker = self._by_task.get(key)
        if worker is not None:
            # The end of its output may never come: a daemon that the task left can hold the pipe open.
            worker.kill()
            self._forget(worker)
            worker.exit_status()
        elif any(waiting == key for waiting, _ in self._waiting):
            self._waiting = deque(item for item in self._waiting if item[0] != key)
        else:
            return
        self._due.append(Report("ended", key, finished=False, exit="signal 9"))
        self._start_as_needed()

    def release(self) -> None:
        self.close()  # nothing here outlives this process

    def close(self) -> None:
        self._waiting.clear()
        for worker in list(self._workers):
            # An idle worker ends by itself at the end of its input; one that is still starting would first go on.
            if worker.task is not None or not worker.ready:
                worker.kill()
                worker.exit_status()
            self._forget(worker)
        self._selector.close()

    # -- workers

    def adopt(self, pid: int, stdin: int, stdout: int, mark: str) -> None:
        """Take over a worker that somebody else started, by the descriptors of its pipes (duplicated here). `mark` is
        the value of METAFLOW_WORKER that it alone was started with."""
        self._enlist(_Worker(pid, os.dup(stdin), os.dup(stdout), mark))

    def prepare(self, language: str) -> None:
        """Start a worker ahead of the first task that needs it."""
        self._start(language)

    def _start_as_needed(self) -> None:
        for language in dict.fromkeys(_language(order) for _, order in self._waiting):
            waiting = sum(1 for _, order in self._waiting if _language(order) == language)
            workers = [worker for worker in self._workers if worker.language == language]
            idle_or_starting = sum(1 for worker in workers if worker.task is None)
            for _ in range(min(waiting - idle_or_starting, self._slots - len(workers))):
                self._start(language)

    def _start(self, language: str) -> None:
        import subprocess  # most runs are served by the workers they adopted

        mark = f"{os.getpid()}-{os.urandom(6).hex()}"
        command, environment = self._commands[language]
        try:
            process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment({**environment, MARK: mark}),
                cwd=self._cwd,
                start_new_session=True,
            )
        except OSError as problem:
            self._due.append(Report("broken", message=f"{_named(language)} workers cannot be started: {problem}"))
            return
        stdin, stdout = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
        process.stdin.close()
        process.stdout.close()
        self._enlist(_Worker(process.pid, stdin, stdout, mark, process, language))

    def _enlist(self, worker: _Worker) -> None:
        self._workers.add(worker)
        self._selector.register(worker.stdout, selectors.EVENT_READ, worker)
        try:
            worker.send({"op": "init", **self._init})
        except BrokenPipeError:
            pass  # it is gone already, and the end of its output says so

    def _forget(self, worker: _Worker) -> None:
        self._workers.discard(worker)
        self._selector.unregister(worker.stdout)
        worker.close()
        if worker.task is not None:
            self._by_task.pop(worker.task, None)

    def _hear(self, worker: _Worker, reports: list[Report]) -> None:
        messages = worker.receive()
        if messages is None:
            self._lost(worker, reports)
            return
        for message in messages:
            if message["t"] == "ready":
                worker.ready = True
                self._failed_starts = 0
            elif message["t"] == "broken":
                reports.append(Report("broken", message=message["message"]))
            elif message["t"] == "writing":
                reports.append(Report("writing", worker.task or "", message=message["file"]))
            elif message["t"] == "need":
                answer_need(message["file"], self._fetch)
            elif message["t"] == "end":
                self._ended(worker, message, reports)

    def _ended(self, worker: _Worker, message: Mapping[str, Any], reports: list[Report]) -> None:
        finished = message.get("finished", True)
        reports.append(Report("ended", worker.task or "", finished=finished, exit=message.get("exit")))
        self._by_task.pop(worker.task or "", None)
        worker.task = None
        if not finished:
            # The task's process died; what it had started should not live on without it.
            worker.kill()
            self._forget(worker)
            worker.exit_status()
            self._start_as_needed()
        elif self._one_task_each:
            self._forget(worker)
            if self._spare:
                self._start(worker.language)

    def _lost(self, worker: _Worker, reports: list[Report]) -> None:
        task = worker.task
        self._forget(worker)
        # What its task started should not live on without it.
        worker.kill()
        if task is not None:
            reports.append(Report("ended", task, finished=False, exit=worker.exit_status()))
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts >= 3:
                reports.append(Report("broken", message=self._start_failed(worker)))
        self._start_as_needed()

    def _assign(self) -> None:
        if not self._waiting:
            return
        for worker in self._workers:
            if self._waiting and worker.ready and worker.task is None:
                item = next((item for item in self._waiting if _language(item[1]) == worker.language), None)
                if item is None:
                    continue
                self._waiting.remove(item)
                key, order = item
                worker.task = key
                self._by_task[key] = worker
                try:
                    worker.send(self._told(order))
                except BrokenPipeError:
                    pass  # the end of its output reports the task as ended

    def _told(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """The order as a worker reads it: what `result.json` only repeats is one text, "echo"."""
        echo = json.dumps({name: order[name] for name in _ECHOED if name in order}, separators=(",", ":"))
        if _language(order) == DEFAULT_LANGUAGE:
            order = with_values(order, self._init.get("blobs", ""))
        told = {name: value for name, value in order.items() if name not in _ONLY_ECHOED}
        return {"op": "task", **told, "echo": echo}

    def _start_failed(self, worker: _Worker) -> str:
        command = " ".join(self._commands[worker.language][0])
        status = worker.exit_status()
        return f"{_named(worker.language)} workers end as soon as they start (exit status {status}). Command: {command}"


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    from ..settings import child_environment

    return child_environment(extra)


def _language(order: Mapping[str, Any]) -> str:
    return order.get("language") or DEFAULT_LANGUAGE


def _named(language: str) -> str:
    return language.capitalize()
