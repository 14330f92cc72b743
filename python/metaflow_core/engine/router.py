"""Several backends behind the contract of one: each task goes where its policy says.

A backend is made when the first task goes to it, so a run that only might retry on a cluster does not ask for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ..contracts.backend import Backend, BackendCapabilities, Report, Submission
from ..contracts.decorator import LOCAL, StepPolicy
from ..errors import MetaflowError

__all__ = ["Router"]

_SHORT_SECONDS = 0.05


class Router:
    """`makers`: {name of a backend: a function that makes it}."""

    def __init__(self, makers: Mapping[str, Callable[[], Backend]]) -> None:
        self._makers = dict(makers)
        self._made: dict[str, Backend] = {}
        self._place: dict[str, str] = {}
        self._due: list[Report] = []

    def capabilities_for(self, policy: StepPolicy) -> BackendCapabilities:
        if policy.backend == LOCAL:
            return BackendCapabilities(local_slots=True)
        return self._backend(policy.backend).capabilities_for(policy)

    def submit(self, tasks: Sequence[Submission]) -> None:
        by_place: dict[str, list[Submission]] = {}
        for task in tasks:
            by_place.setdefault(task.policy.backend, []).append(task)
            self._place[task.key] = task.policy.backend
        for name, group in by_place.items():
            self._backend(name).submit(group)

    def poll(self, timeout_seconds: float) -> list[Report]:
        reports, self._due = self._due, []
        busy = {name: backend for name, backend in self._made.items() if name in set(self._place.values())}
        # The one that is waited for is not told when another one has news, so nobody waits long.
        wait = timeout_seconds if len(busy) <= 1 else min(timeout_seconds, _SHORT_SECONDS)
        for name, backend in self._made.items():
            reports += backend.poll(0.0 if reports or (busy and name not in busy) else wait)
            wait = 0.0 if len(busy) > 1 else wait
        if not self._made and not reports:
            import time

            time.sleep(timeout_seconds)
        for report in reports:
            if report.kind == "ended":
                self._place.pop(report.key, None)
        return reports

    def cancel(self, keys: Iterable[str]) -> None:
        by_place: dict[str, list[str]] = {}
        for key in keys:
            if key in self._place:
                by_place.setdefault(self._place[key], []).append(key)
        for name, group in by_place.items():
            self._made[name].cancel(group)

    def find(self, paths: Sequence[str]) -> set[str]:
        return {path for name in self._makers for path in self._backend(name).find(paths)}

    def close(self) -> None:
        self._each(lambda backend: backend.close())

    def release(self) -> None:
        self._each(lambda backend: backend.release())

    def _each(self, end: Callable[[Backend], None]) -> None:
        problems: list[Any] = []
        for backend in self._made.values():
            try:
                end(backend)
            except (MetaflowError, OSError) as problem:
                problems.append(problem)
        if problems:
            raise problems[0]

    def _backend(self, name: str) -> Backend:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]
