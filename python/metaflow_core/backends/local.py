"""Runs tasks in R worker processes of this machine, one per slot (R/worker.R).

A worker is told its task by one JSON line and answers with one. In mode "fork" it serves task after task; in mode
"fresh" it ends with its task, and the next one is started ahead of time.
"""

from __future__ import annotations

import json
import os
import selectors
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from ..contracts.backend import BackendCapabilities, Report
from .process_tree import kill_tree

__all__ = ["LocalBackend"]

MARK = "METAFLOW_WORKER"
_CHUNK = 1 << 16


class _Worker:
    """One R process and the two ends of its pipes. `task` is the key of what it works on, `mark` what is in the
    environment of this worker, and of all that it starts, only."""

    def __init__(self, pid: int, stdin: int, stdout: int, mark: str, process: Any = None) -> None:
        self.pid = pid
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
    """`command` starts a worker, `environment` is added to this process's, `init` is the order it gets first."""

    capabilities = BackendCapabilities(local_slots=True)

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        init: Mapping[str, Any],
        slots: int,
        cwd: str | None = None,
        one_task_each: bool = False,
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._init = dict(init)
        self._cwd = cwd
        self._one_task_each = one_task_each
        self._slots = slots
        self._workers: set[_Worker] = set()
        self._by_task: dict[str, _Worker] = {}
        self._waiting: deque[tuple[str, Mapping[str, Any]]] = deque()
        self._due: list[Report] = []
        self._selector = selectors.DefaultSelector()
        self._failed_starts = 0

    # -- the contract

    def free_slots(self) -> int:
        return self._slots - len(self._by_task) - len(self._waiting)

    def submit(self, key: str, order: Mapping[str, Any]) -> None:
        self._waiting.append((key, order))
        self._assign()
        self._start_as_needed()

    def poll(self, timeout_seconds: float) -> list[Report]:
        reports, self._due = self._due, []
        for selected, _ in self._selector.select(0.0 if reports else max(0.0, timeout_seconds)):
            self._hear(selected.data, reports)
        self._assign()
        return reports

    def cancel(self, key: str) -> None:
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

    def _start_as_needed(self) -> None:
        idle_or_starting = sum(1 for worker in self._workers if worker.task is None)
        for _ in range(min(len(self._waiting) - idle_or_starting, self._slots - len(self._workers))):
            self._start()

    def _start(self) -> None:
        import subprocess  # most runs are served by the workers they adopted

        mark = f"{os.getpid()}-{os.urandom(6).hex()}"
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment({**self._environment, MARK: mark}),
                cwd=self._cwd,
                start_new_session=True,
            )
        except OSError as problem:
            self._due.append(Report("broken", message=f"R workers cannot be started: {problem}"))
            return
        stdin, stdout = os.dup(process.stdin.fileno()), os.dup(process.stdout.fileno())
        process.stdin.close()
        process.stdout.close()
        self._enlist(_Worker(process.pid, stdin, stdout, mark, process))

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
            elif message["t"] == "end":
                self._ended(worker, message.get("finished", True), reports)

    def _ended(self, worker: _Worker, finished: bool, reports: list[Report]) -> None:
        reports.append(Report("ended", worker.task or "", finished=finished))
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
            self._start()

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
                reports.append(Report("broken", message=_start_failed(self._command, worker.exit_status())))
        self._start_as_needed()

    def _assign(self) -> None:
        if not self._waiting:
            return
        for worker in self._workers:
            if self._waiting and worker.ready and worker.task is None:
                key, order = self._waiting.popleft()
                worker.task = key
                self._by_task[key] = worker
                try:
                    worker.send({"op": "task", **order})
                except BrokenPipeError:
                    pass  # the end of its output reports the task as ended


def _environment(extra: Mapping[str, str]) -> dict[str, str]:
    from ..settings import child_environment

    return child_environment(extra)


def _start_failed(command: Sequence[str], status: Any) -> str:
    return f"R workers end as soon as they start (exit status {status}). Command: {' '.join(command)}"
