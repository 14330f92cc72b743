"""What the results of a step in Python depend on beside its code: Python itself, and what is installed for it.

The engine and a worker each say it of themselves; memoised steps compare the two (engine/python_memory.py).
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Mapping

from . import __version__

__all__ = ["digest_of_facts", "installed_folders", "python_facts"]

_ENDINGS = (".dist-info", ".egg-info", ".egg-link")


def python_facts() -> dict[str, str]:
    """{"Python": "3.11.2 ...", "numpy": "1.26.4", ...}: all that is installed, because a process that a step starts may
    import other packages than the step itself."""
    facts = {"Python": f"{sys.version.split()[0]} {sys.platform} {sys.byteorder}", "metaflow_core": __version__}
    for folder in installed_folders():
        for entry in sorted(os.listdir(folder)):
            stem, ending = os.path.splitext(entry)
            if ending in _ENDINGS:
                name, _, version = stem.partition("-")
                # The first folder of the path is the one that counts.
                facts.setdefault(name, version.partition("-py")[0] + _build(os.path.join(folder, entry)))
    return facts


def digest_of_facts(facts: Mapping[str, str]) -> str:
    """Stored with each task, so short."""
    return _short("\n".join(f"{name} {version}" for name, version in sorted(facts.items())))


def installed_folders() -> list[str]:
    """Where packages are installed, in the order in which Python looks."""
    ends = ("site-packages", "dist-packages")
    return [path for path in dict.fromkeys(sys.path) if os.path.basename(path) in ends and os.path.isdir(path)]


def _build(folder: str) -> str:
    """What tells installations of one version apart, of a package that came from a folder or a repository."""
    path = os.path.join(folder, "direct_url.json")
    try:
        with open(path, encoding="utf-8") as file:
            return f" {_short(file.read())} {os.stat(path).st_mtime_ns}"
    except OSError:
        return ""


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
