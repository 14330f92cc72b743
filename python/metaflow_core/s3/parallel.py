"""Many requests at once.

One pool of threads for the process does single requests only and never waits for one of its own; whoever has many to
make hands them in from the thread it is in, a bounded number at a time, and acts on what comes back there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from .connection import CONNECTIONS

__all__ = ["Batch", "in_parallel"]

_AHEAD = 2 * CONNECTIONS

Item = TypeVar("Item")
Value = TypeVar("Value")

_pool: Any = None
_guard = threading.Lock()


def _threads() -> Any:
    global _pool
    with _guard:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor

            _pool = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="metaflow-s3")
        return _pool


def _forget_pool() -> None:
    """Threads do not survive a fork; the child makes its own."""
    global _pool, _guard
    _pool, _guard = None, threading.Lock()


def _register() -> None:
    import os

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget_pool)


_register()


class Batch:
    """Requests that belong together. The first failure stops the rest and is raised by `run`."""

    def __init__(self) -> None:
        self._then: dict[Any, Callable[[Any], None] | None] = {}
        self._parked: list[tuple[Callable[[], Any], Callable[[Any], None] | None]] = []

    def add(self, request: Callable[[], Value], then: Callable[[Value], None] | None = None) -> None:
        """`request()` in a thread, then `then(its value)` in the thread that runs the batch; `then` may add more."""
        if len(self._then) < _AHEAD:
            self._then[_threads().submit(request)] = then
        else:
            self._parked.append((request, then))

    def run(self, more: Iterable[Callable[[], None]] = ()) -> None:
        """Until all is done. `more` are callables that add requests; they are asked as there is room."""
        from concurrent.futures import FIRST_COMPLETED, wait

        feeding: Iterator[Callable[[], None]] | None = iter(more)
        try:
            while True:
                while self._parked and len(self._then) < _AHEAD:
                    self.add(*self._parked.pop())
                while feeding is not None and len(self._then) < _AHEAD and not self._parked:
                    feed = next(feeding, None)
                    if feed is None:
                        feeding = None
                    else:
                        feed()
                if not self._then:
                    return
                for future in wait(self._then, return_when=FIRST_COMPLETED).done:
                    then = self._then.pop(future)
                    value = future.result()
                    if then is not None:
                        then(value)
        except BaseException:
            for future in self._then:
                future.cancel()
            # What has begun writes into files and buffers of the caller, who will not expect it later.
            wait(self._then)
            self._then.clear()
            self._parked.clear()
            raise


def in_parallel(action: Callable[[Item], Value], items: Iterable[Item]) -> Iterator[tuple[Item, Value]]:
    """(item, action(item)) for each, in any order, as they come."""
    found: list[tuple[Item, Value]] = []
    batch = Batch()

    def adder(item: Item) -> Callable[[], None]:
        return lambda: batch.add(lambda: action(item), lambda value: found.append((item, value)))

    batch.run(adder(item) for item in items)
    return iter(found)
