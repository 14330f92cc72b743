"""Ctrl-C while Python runs inside of R, without running R code on top of Python's stack.

reticulate's Python handler of SIGINT (up to version 1.36, `rpytools.signals`) asks an R function whether R has handled
the interrupt already. R can take the very interrupt while it evaluates that function, and then jumps out over Python's
frames: the next call into Python finds a dead stack, and one Ctrl-C in ten ended the R process with a segfault. The
answer is one integer in R's memory, so here it is read from there. (rstudio/reticulate#1601)
"""

from __future__ import annotations

import sys

__all__ = ["answer_without_r"]


def answer_without_r() -> bool:
    """Put our answer in the place of reticulate's; True where that was possible and needed."""
    signals = sys.modules.get("rpytools.signals")
    if signals is None or not hasattr(signals, "_callback"):
        return False
    try:
        import ctypes

        process = ctypes.CDLL(None)
        pending, suspended = (ctypes.c_int.in_dll(process, f"R_interrupts_{name}") for name in ("pending", "suspended"))
    except (ImportError, TypeError, ValueError, OSError):  # Windows, or an R that keeps it to itself
        return False
    signals._callback = _Answer(pending, suspended)
    return True


class _Answer:
    """Called with False it tells whether R has an interrupt to handle, with True it says that Python handled it."""

    def __init__(self, pending, suspended) -> None:
        self._pending = pending
        self._suspended = suspended

    def __call__(self, handled: bool) -> bool:
        if self._suspended.value:
            return False
        if handled:
            self._pending.value = 0
        return self._pending.value != 0
