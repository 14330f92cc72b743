"""The git commit of the flow's folder, when it is in a repository and git is installed."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["git_state"]

_SECONDS = 2.0


def git_state(folder: str) -> dict[str, Any] | None:
    """{"commit", "dirty"}, or None outside of a repository. `dirty`: tracked files differ from the commit."""
    if not _in_repository(folder):
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changes = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": None if changes is None else bool(changes.strip())}


def _in_repository(folder: str) -> bool:
    folder = os.path.abspath(folder)
    while True:
        if os.path.exists(os.path.join(folder, ".git")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent


def _git(folder: str, *words: str) -> str | None:
    import subprocess  # most folders are in no repository

    try:
        done = subprocess.run(["git", "-C", folder, *words], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
