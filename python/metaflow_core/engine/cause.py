"""Why a process ended without a result, told from what it left behind.

R itself answers a fault with "*** caught segfault ***" on stderr and ends. The kernel's out-of-memory killer leaves
nothing but a counter. `quit()` inside a step leaves a mark (R/worker-task.R).
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["oom_kills", "vanished"]

_TAIL_BYTES = 4096


def oom_kills() -> int:
    """How many processes this machine (or this container) killed for memory so far; 0 where nobody counts."""
    total = 0
    for path, word in (("/proc/vmstat", b"oom_kill "), ("/sys/fs/cgroup/memory.events", b"oom_kill ")):
        try:
            with open(path, "rb") as file:
                lines = file.read().split(b"\n")
        except OSError:
            continue
        total += sum(int(line[len(word) :]) for line in lines if line.startswith(word))
    return total


def vanished(folder: str, exit_status: Any, timed_out_after: float | None, oom_before: int) -> dict[str, Any]:
    """An error record {"classes", "message", "call", "cause", "frames"} for a task that left no result."""
    if timed_out_after is not None:
        return _record("timeout", f"The step ran longer than its limit of {timed_out_after:.15g} seconds and was killed.", "metaflow_timeout_error")
    if os.path.exists(os.path.join(folder, "quit")):
        return _record("quit", "The step ended its R process with quit(). Return from the step function instead.", "metaflow_quit_error")
    fault = _fault(os.path.join(folder, "stderr.log"))
    if fault is not None:
        return _record("crash", f"The R process crashed: {fault}.", "metaflow_crash_error")
    if oom_kills() > oom_before:
        return _record("oom", "The R process was killed because the machine ran out of memory.", "metaflow_oom_error")
    how = "" if exit_status is None else f" ({exit_status})"
    return _record("crash", f"The R process was killed{how}.", "metaflow_crash_error")


def _record(cause: str, message: str, r_class: str) -> dict[str, Any]:
    return {"classes": [r_class], "message": message, "call": None, "cause": cause, "frames": []}


def _fault(path: str) -> str | None:
    """R's own words about a fault, as "segfault, memory not mapped"."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - _TAIL_BYTES))
            tail = file.read().decode(errors="replace")
    except OSError:
        return None
    found = tail.rfind("*** caught ")
    if found < 0:
        return None
    words = tail[found:].split("\n")
    cause = words[1].partition("cause '")[2].strip("'") if len(words) > 1 else ""
    return words[0].strip("* ").replace("caught ", "") + (f", {cause}" if cause else "")
