"""The git commit that the flow's folder is at, read from the repository's files: git itself need not be installed, and
a large repository costs nothing. What was changed since is in the run's own snapshot of the folder."""

from __future__ import annotations

import os
import re
from typing import Any

__all__ = ["git_state"]

_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def git_state(folder: str) -> dict[str, Any] | None:
    """{"commit"}, or None outside of a repository and before its first commit."""
    try:
        repository = _repository(os.path.abspath(folder))
        commit = None if repository is None else _head(repository)
    except OSError:
        return None
    return None if commit is None else {"commit": commit}


def _repository(folder: str) -> str | None:
    """The nearest .git from `folder` upwards; a file of that name, as in a worktree, says where it is."""
    while True:
        path = os.path.join(folder, ".git")
        if os.path.isdir(path):
            return path
        if os.path.isfile(path):
            return os.path.join(folder, _read(path).partition("gitdir:")[2].strip())
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def _head(repository: str) -> str | None:
    head = _read(os.path.join(repository, "HEAD"))
    reference = head.partition("ref:")[2].strip()
    if not reference:
        return _commit(head)
    # A worktree has a HEAD of its own, and shares its references with the repository it belongs to.
    common = os.path.join(repository, "commondir")
    home = os.path.join(repository, _read(common)) if os.path.isfile(common) else repository
    for place in (repository, home):
        if os.path.isfile(os.path.join(place, reference)):
            return _commit(_read(os.path.join(place, reference)))
    packed = os.path.join(home, "packed-refs")
    lines = _read(packed).splitlines() if os.path.isfile(packed) else []
    return next((_commit(line.split(" ")[0]) for line in lines if line.endswith(f" {reference}")), None)


def _commit(text: str) -> str | None:
    return text if _COMMIT.fullmatch(text) else None


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().strip()
