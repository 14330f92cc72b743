"""Which tasks fit beside those that run: `resources(cpu =, memory =)` against what this machine has."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["Admission", "machine"]


def machine() -> tuple[float, float]:
    """(cores, memory in MB of 1e6 bytes) this process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (ValueError, OSError, AttributeError):
        memory = float("inf")
    return float(cores), memory


class Admission:
    """Counts what running tasks asked for. A task that asks for more than there is runs alone.

    A step that asks for no cores counts as one slot of `max_workers`, not as a core: most steps wait for something.
    """

    def __init__(self, max_workers: int, cores: float, memory_mb: float) -> None:
        self._max_workers = max_workers
        self._cores = cores
        self._memory_mb = memory_mb
        self._running: dict[str, tuple[float, float]] = {}

    def fits(self, policy: Any) -> bool:
        if len(self._running) >= self._max_workers:
            return False
        cpu, memory = _wish(policy)
        if not self._running:
            return True
        used_cpu = sum(c for c, _ in self._running.values())
        used_memory = sum(m for _, m in self._running.values())
        return used_cpu + cpu <= self._cores and used_memory + memory <= self._memory_mb

    def enter(self, key: str, policy: Any) -> None:
        self._running[key] = _wish(policy)

    def leave(self, key: str) -> None:
        self._running.pop(key, None)

    def excess(self, step: str, policy: Any) -> str | None:
        """One sentence with both numbers when the step asks for more than the machine has, or was meant for another."""
        if policy.away:
            return self._at_home(step, policy)
        cpu, memory = _wish(policy)
        wants = []
        if cpu > self._cores:
            wants.append(f"{cpu:g} cores (this machine has {self._cores:g})")
        if memory > self._memory_mb:
            wants.append(f"{memory:.0f} MB of memory (this machine has {self._memory_mb:.0f} MB)")
        return f"step '{step}' asks for {' and '.join(wants)}; its tasks run alone" if wants else None

    def _at_home(self, step: str, policy: Any) -> str:
        cpu, memory = _wish(policy)
        asked = [f"{cpu:g} cores"] * bool(cpu) + [f"{memory:.0f} MB of memory"] * bool(memory)
        asked += [f"{policy.gpu:g} GPU"] * bool(policy.gpu)
        what = f"asks a cluster for {' and '.join(asked)}" if asked else "is meant for a cluster"
        has = f"{self._cores:g} cores and {self._memory_mb:.0f} MB of memory"
        return f"step '{step}' {what}, but {policy.away}: it runs on this machine, which has {has}"


def _wish(policy: Any) -> tuple[float, float]:
    return float(policy.cpu or 0), float(policy.memory_mb or 0)
