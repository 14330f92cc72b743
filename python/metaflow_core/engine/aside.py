"""What takes a while beside the loop: bringing results and logs to a datastore that is not on this machine.

In a local datastore that is a rename, done at once. To one that is elsewhere results travel in threads while other
tasks run; what follows from them still happens in the loop, one after the other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["Aside"]

Value = TypeVar("Value")
_POLL_SECONDS = 0.005


class Aside:
    """`threads` 0: everything is done at once, in the caller's thread."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: Any = None
        self._under_way: dict[Any, tuple[Callable[[Any], None], Callable[[Exception], None]]] = {}

    def __len__(self) -> int:
        """How many actions are under way."""
        return len(self._under_way)

    def do(
        self, action: Callable[[], Value], then: Callable[[Value], None], failed: Callable[[Exception], None]
    ) -> None:
        """`action()`, then `then(its value)`, or `failed(what either of them raised)`. These two run in the thread of
        the loop: now, or in a later `collect`."""
        if not self._threads:
            try:
                then(action())
            except Exception as problem:  # noqa: BLE001 - handed on to whoever decides
                failed(problem)
            return
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="metaflow-aside")
        self._under_way[self._pool.submit(action)] = then, failed

    def collect(self) -> None:
        """Go on with what has come so far."""
        for future in [future for future in self._under_way if future.done()]:
            then, failed = self._under_way.pop(future)
            try:
                then(future.result())
            except Exception as problem:  # noqa: BLE001 - as above
                failed(problem)

    def wait(self, seconds: float) -> None:
        """Collect until nothing is under way, for at most so long."""
        until = time.monotonic() + seconds
        while self._under_way and time.monotonic() < until:
            self.collect()
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """What is under way goes on, and nobody hears of it."""
        self._under_way.clear()
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None
