"""Room for values that are nested deeply; R allows 5000 levels."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["deep"]

# Before Python 3.11 each of them takes room on the stack of C.
_FRAMES = 12_000 if sys.version_info >= (3, 11) else 5_000


@contextmanager
def deep() -> Iterator[None]:
    usual = sys.getrecursionlimit()
    sys.setrecursionlimit(max(usual, _FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(usual)
