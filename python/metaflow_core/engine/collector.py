"""Python's garbage collector, told to wait.

Whoever makes a hundred thousand objects that all stay pays for collections that walk all of them and find nothing: a
third of the time in which a resume takes over ten thousand tasks.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["collector_paused"]


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
