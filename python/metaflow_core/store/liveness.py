"""Is the process that owns a run still there? What a status reads as, seen from here and now.

A scheduler that is killed cannot say so: its status stays "running". On its own machine the
process is looked up, together with its start time, since process ids are used again; from
another machine, or one that only has the same name, the heartbeat tells.
"""
from __future__ import annotations

import os
import sys
import time
from typing import Any

from ..settings import machine_name

__all__ = ["HEARTBEAT_TIMEOUT_SECONDS", "host_name", "process_start", "shown_status"]

HEARTBEAT_TIMEOUT_SECONDS = 120.0
#: How long a run may wait for its scheduler to be started again by a cluster, whose queue can be long.
SUSPENDED_SECONDS = 30 * 24 * 3600.0


def host_name() -> str:
    named = machine_name()
    if named is not None:
        return named
    if hasattr(os, "uname"):
        return os.uname().nodename
    import platform

    return platform.node()


def shown_status(status: dict[str, Any], now: float | None = None) -> str:
    """The status to show: as written, or "lost" for a run whose process is gone."""
    if status["status"] != "running":
        return status["status"]
    now = time.time() if now is None else now
    if status.get("suspended_at") is not None:
        return "running" if now - status["suspended_at"] <= SUSPENDED_SECONDS else "lost"
    start = status.get("pid_start")
    if status.get("host") == host_name() and status.get("pid") is not None and _is_of_this_boot(start):
        return "running" if _is_alive(int(status["pid"]), start) else "lost"
    age = now - (status.get("heartbeat_at") or 0.0)
    return "running" if age <= HEARTBEAT_TIMEOUT_SECONDS else "lost"


def process_start(pid: int | None = None) -> str | None:
    """When a process (by default this one) started, as text to compare; None when it is gone or nobody can tell."""
    pid = os.getpid() if pid is None else pid
    if sys.platform.startswith("linux"):
        return _linux_start(pid)
    if os.name == "posix":
        return _posix_start(pid)
    return None


def _is_of_this_boot(start: str | None) -> bool:
    """Whether such a process can be one of ours: Linux names the start of the machine with it. Many machines, above all
    containers, share one name."""
    own = process_start() if sys.platform.startswith("linux") else None
    if start is None or own is None or "-" not in start:
        return True
    return start.partition("-")[0] == own.partition("-")[0]


def _is_alive(pid: int, start: str | None) -> bool:
    if pid <= 0:
        return False
    if start is not None:
        now = process_start(pid)
        if now is not None or sys.platform.startswith("linux"):
            return now == start
    return _exists(pid)


def _linux_start(pid: int) -> str | None:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name of the program, in parentheses, may hold anything: count from its end.
            fields = file.read().rpartition(b")")[2].split()
        with open("/proc/sys/kernel/random/boot_id", "rb") as file:
            boot = file.read().decode("ascii").strip()
    except OSError:
        return None
    state, ticks = fields[0], fields[19].decode("ascii")
    if state in (b"Z", b"X"):
        return None  # dead, only not yet collected by its parent
    return f"{boot[:8]}-{ticks}"  # ticks count from the start of the machine


def _posix_start(pid: int) -> str | None:
    import subprocess

    done = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def _exists(pid: int) -> bool:
    if os.name == "nt":
        return _exists_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is there, and belongs to somebody else
    return True


def _exists_on_windows(pid: int) -> bool:
    import ctypes  # os.kill(pid, 0) would end the process there

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    handle = kernel.OpenProcess(0x1000, False, pid)  # PROCESS_QUERY_LIMITED_INFORMATION
    if not handle:
        return False
    code = ctypes.c_ulong()
    kernel.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel.CloseHandle(handle)
    return code.value == 259  # STILL_ACTIVE
