"""Which files of a flow's folder are kept with a run, so that anyone can see, later, what it was made of.

Files with the usual endings of code and small data, minus what .gitignore and .metaflowignore name, up to a size. A
snapshot is a help and never the reason for a run to fail: what is too much is left out and named.
"""
from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .ignore import IgnoreRules

__all__ = ["Snapshot", "folder_snapshot"]

_NEVER = {"renv", "packrat", "node_modules", "__pycache__"}
_IGNORE_FILES = (".gitignore", ".metaflowignore")
_DATASTORE = {"format.json", "flows", "blobs"}
_MOST_ENTRIES = 20_000


class Snapshot(NamedTuple):
    """`files`: (name inside, path on disk). `left_out`: sentences about what is missing."""

    files: list[tuple[str, str]]
    left_out: list[str]


def folder_snapshot(folder: str, suffixes: Sequence[str], max_bytes: float, always: Iterable[str] = ()) -> Snapshot:
    """Files below `folder` that end in one of `suffixes`; `always` are names that count whatever their ending."""
    found, complete = _find(folder, tuple(suffixes), set(always))
    left_out = [] if complete else [
        f"'{folder}' holds more than {_MOST_ENTRIES} files; the code package has only some of them. "
        "Name folders that are not code in .metaflowignore"
    ]
    total = sum(size for _, size in found)
    dropped = []
    for name, size in sorted(found, key=lambda item: -item[1]):
        if total <= max_bytes:
            break
        dropped.append(name)
        total -= size
    if dropped:
        more = f" and {len(dropped) - 3} more" if len(dropped) > 3 else ""
        left_out.append(
            f"the code package is limited to {max_bytes / 1e6:.0f} MB, so {', '.join(dropped[:3])}{more} is not in it. "
            "Name large data in .metaflowignore, or raise METAFLOW_PACKAGE_MAX_MEGABYTES"
        )
    gone = set(dropped)
    return Snapshot([(name, os.path.join(folder, *name.split("/"))) for name, _ in found if name not in gone], left_out)


def _find(folder: str, suffixes: tuple[str, ...], always: set) -> tuple[list[tuple[str, int]], bool]:
    found: list[tuple[str, int]] = []
    todo: list[tuple[str, IgnoreRules]] = [("", IgnoreRules())]
    seen = 0
    while todo:
        place, rules = todo.pop(0)
        try:
            entries = sorted(os.scandir(os.path.join(folder, place) if place else folder), key=lambda entry: entry.name)
        except OSError:
            continue
        names = {entry.name for entry in entries}
        if names >= _DATASTORE:
            continue
        rules = _with_files_of(rules, folder, place, names)
        for entry in entries:
            seen += 1
            if seen > _MOST_ENTRIES:
                return found, False
            name = f"{place}/{entry.name}" if place else entry.name
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith(".") and entry.name not in _NEVER and not rules.ignored(name, True):
                    todo.append((name, rules))
            elif not (name in always or entry.name.endswith(suffixes)) or rules.ignored(name, False):
                continue
            elif entry.is_file():
                found.append((name, entry.stat().st_size))
    return found, True


def _with_files_of(rules: IgnoreRules, folder: str, place: str, names: set) -> IgnoreRules:
    for name in _IGNORE_FILES:
        if name in names:
            try:
                with open(os.path.join(folder, place, name), encoding="utf-8", errors="replace") as file:
                    rules = rules.extended(file, place)
            except OSError:
                pass
    return rules
