"""Why a process ended without a result, told from what it left behind.

R itself answers a fault with "*** caught segfault ***" on stderr and ends. The kernel's out-of-memory killer leaves
nothing but a counter. `quit()` inside a step leaves a mark (R/worker-task.R).
"""

from __future__ import annotations

import os
from typing import Any

from ..contracts.backend import Report

__all__ = ["job_ended", "oom_kills", "vanished"]

_TAIL_BYTES = 4096

_WORDS = {
    "error": "The task runner failed.",
    "timeout": "The job ran longer than its time limit and was killed.",
    "oom": "The job used more memory than it had reserved and was killed.",
    "preempted": "The job was taken away before it was done.",
    "crash": "The job died.",
    "lost": "The cluster does not know the job any more, and it left no result.",
}


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


def vanished(
    folder: str, exit_status: Any, timed_out_after: float | None, oom_before: int, language: str = "r"
) -> dict[str, Any]:
    """An error record {"classes", "message", "call", "cause", "frames"} for a task that left no result."""
    name, leave = ("Python", "sys.exit()") if language == "python" else ("R", "quit()")
    if timed_out_after is not None:
        return _record(
            "timeout",
            f"The step ran longer than its limit of {timed_out_after:.15g} seconds and was killed.",
            "metaflow_timeout_error",
        )
    if os.path.exists(os.path.join(folder, "quit")):
        return _record(
            "quit",
            f"The step ended its {name} process with {leave}. Return from the step function instead.",
            "metaflow_quit_error",
        )
    fault = _fault(os.path.join(folder, "stderr.log"))
    if fault is not None:
        return _record("crash", f"The {name} process crashed: {fault}.", "metaflow_crash_error")
    if oom_kills() > oom_before:
        return _record(
            "oom", f"The {name} process was killed because the machine ran out of memory.", "metaflow_oom_error"
        )
    how = "" if exit_status is None else f" ({exit_status})"
    return _record("crash", f"The {name} process was killed{how}.", "metaflow_crash_error")


def job_ended(report: Report) -> dict[str, Any]:
    """The same for a task whose runner died with its job: what the cluster says about that."""
    cause = report.cause or "lost"
    kind = "metaflow_backend_error" if cause == "error" else f"metaflow_{cause}_error"
    return _record(cause, report.message or _WORDS[cause], kind)


def _record(cause: str, message: str, r_class: str) -> dict[str, Any]:
    return {"classes": [r_class], "message": message, "call": None, "cause": cause, "frames": []}


def _fault(path: str) -> str | None:
    """R's own words about a fault, as "segfault, memory not mapped", or Python's, as "Segmentation fault"."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - _TAIL_BYTES))
            tail = file.read().decode(errors="replace")
    except OSError:
        return None
    found = tail.rfind("Fatal Python error: ")
    if found >= 0:
        return tail[found:].partition("\n")[0].partition(": ")[2]
    found = tail.rfind("*** caught ")
    if found < 0:
        return None
    words = tail[found:].split("\n")
    cause = words[1].partition("cause '")[2].strip("'") if len(words) > 1 else ""
    return words[0].strip("* ").replace("caught ", "") + (f", {cause}" if cause else "")
