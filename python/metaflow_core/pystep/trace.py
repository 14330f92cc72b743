"""Notes what a memoised task looks at, as R/memory-trace.R does for steps in R (engine/reads.py lists the notes).

A process that the step forked has a copy of this; what it notes goes to a file of its own in the task's folder.
"""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from typing import Any

from .. import python_facts

__all__ = ["Trace"]

_CORE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Trace:
    """`folder` is the task's, `code` that of its unpacked code package, whose files the engine compares."""

    def __init__(self, folder: str, code: str) -> None:
        self._folder = folder
        self._code = code
        self._pid = os.getpid()
        self._notes: dict[str, None] = {}
        self._volatile: str | None = None
        self._path = list(sys.path)

    def note(self, what: str) -> None:
        if os.getpid() == self._pid:
            self._notes[what] = None
        else:
            self._tell("note", what)

    def volatile(self, why: str) -> None:
        """The task looked at something that is another thing each time: no later task does the same."""
        if os.getpid() == self._pid:
            self._volatile = self._volatile or why
        else:
            self._tell("volatile", why)

    def fact(self, name: str) -> None:
        """It asked `current` for this. The seed is compared anyway, and its folder has nothing in it."""
        if name not in ("seed", "tempdir"):
            self.note(f"current:{name}")

    def result(self) -> dict[str, Any]:
        self._gather()
        why = self._volatile or self._foreign()
        beside = python_facts.digest_of_facts(python_facts.python_facts())
        return {"notes": sorted(self._notes), "volatile": why, "python": beside}

    def _tell(self, kind: str, text: str) -> None:
        with open(os.path.join(self._folder, f"notes-{os.getpid()}"), "a", encoding="utf-8") as file:
            file.write(json.dumps([kind, text]) + "\n")

    def _gather(self) -> None:
        for name in sorted(os.listdir(self._folder)):
            if name.startswith("notes-"):
                with open(os.path.join(self._folder, name), encoding="utf-8") as file:
                    for line in file:
                        try:
                            kind, text = json.loads(line)
                        except ValueError:
                            kind, text = "volatile", "a process that it started was killed"
                        self.note(text) if kind == "note" else self.volatile(text)

    def _foreign(self) -> str | None:
        """Code that is neither in the flow's folder nor installed: nobody knows when it is another one."""
        if f"{__package__.rpartition('.')[0]}.client" in sys.modules:
            return "it looked at runs through the client, which may be others by now"
        known = _known_folders(self._code)
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and not _is_below(file, known):
                return f"it imported '{name}' from {file}, which is neither in the flow's folder nor installed"
        times = os.times()
        if times.children_user + times.children_system > 0 or "multiprocessing" in sys.modules:
            # What other processes imported is not known, only where they can have it from.
            for path in dict.fromkeys([*self._path, *sys.path]):
                if path and os.path.isdir(path) and not _is_below(path, known):
                    return f"it started processes, which can import from {path}"
        return None


def _known_folders(code: str) -> list[str]:
    standard = [sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")]
    folders = [code, _CORE, os.path.dirname(_CORE), *standard, *python_facts.installed_folders()]
    return [*dict.fromkeys([*map(os.path.abspath, folders), *map(os.path.realpath, folders)])]


def _is_below(path: str, folders: list[str]) -> bool:
    places = {os.path.abspath(path), os.path.realpath(path)}
    return any(place == folder or place.startswith(folder + os.sep) for place in places for folder in folders)
