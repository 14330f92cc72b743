"""Kills a process with everything it started, also what left its process group and its session."""

from __future__ import annotations

import os
import signal

__all__ = ["kill_tree"]


def kill_tree(pid: int, mark: str | None = None) -> None:
    """SIGKILL for the process group of `pid` and for all its descendants. A process that is gone is fine.

    `mark` is an entry of its environment ("NAME=value") that no other process has: where the system tells (Linux),
    it finds those, too, whose parent is gone and who have a session of their own, as daemons do.
    """
    found = _family(pid, mark)
    # Stopped first, a process cannot start another one between the look and the kill.
    for member in (pid, *found):
        _signal(member, signal.SIGSTOP)
    for member in found | _family(pid, mark):
        _signal(member, signal.SIGKILL)
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def _family(pid: int, mark: str | None) -> set[int]:
    return set(_descendants(pid)) | set(_marked(mark) if mark else ())


def _marked(mark: str) -> list[int]:
    found = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark.encode() in file.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                continue  # gone, or somebody else's
    return found


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for child, parent in _parents():
        children.setdefault(parent, []).append(child)
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found.extend(below)
        todo.extend(below)
    return found


def _parents() -> list[tuple[int, int]]:
    """(pid, pid of its parent) of every process."""
    if not os.path.isdir("/proc/self"):
        import subprocess

        listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=False).stdout
        return [(int(pid), int(parent)) for pid, parent in (line.split() for line in listing.splitlines())]
    pairs = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    stat = file.read()
            except OSError:
                continue
            # The command, in parentheses, may hold anything; the fields count from its end.
            pairs.append((int(name), int(stat[stat.rindex(b")") + 2 :].split()[1])))
    return pairs
