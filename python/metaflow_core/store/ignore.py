"""Patterns of .gitignore files: which files of a folder do not count.

The rules are git's (gitignore(5)): "#" comments, "!" takes back, a trailing "/" means folders only, a "/" elsewhere
anchors the pattern to the folder of the file it stands in, "*" and "?" stay inside a name, "**" crosses folders; the
last pattern that matches decides.
"""
from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["IgnoreRules"]


class _Rule(NamedTuple):
    matches: re.Pattern[str]
    folders_only: bool
    takes_back: bool


class IgnoreRules:
    """The patterns of one or more files, each with the folder they stand in ("" for the top)."""

    def __init__(self) -> None:
        self._rules: list[_Rule] = []

    def extended(self, lines: Iterable[str], folder: str = "") -> IgnoreRules:
        """These rules and those of a file in `folder`, which come later and so win."""
        rules = IgnoreRules()
        rules._rules = self._rules + [rule for line in lines for rule in [_parse(line, folder)] if rule is not None]
        return rules

    def ignored(self, path: str, is_folder: bool) -> bool:
        """`path` is relative to the top, with "/"; its parents are not ignored."""
        for rule in reversed(self._rules):
            if (is_folder or not rule.folders_only) and rule.matches.fullmatch(path):
                return not rule.takes_back
        return False


def _parse(line: str, folder: str) -> _Rule | None:
    pattern = line.rstrip("\r\n")
    if not pattern.endswith("\\ "):
        pattern = pattern.rstrip(" ")
    if not pattern or pattern.startswith("#"):
        return None
    takes_back = pattern.startswith("!")
    pattern = pattern[1:] if takes_back else pattern
    folders_only = pattern.endswith("/")
    pattern = pattern.rstrip("/") if folders_only else pattern
    if not pattern:
        return None
    anchored = "/" in pattern
    regex = _translate(pattern.lstrip("/"))
    prefix = re.escape(folder + "/") if folder else ""
    try:
        return _Rule(re.compile(prefix + ("" if anchored else "(?:.*/)?") + regex, re.DOTALL), folders_only, takes_back)
    except re.error:
        return None


def _translate(pattern: str) -> str:
    out, i = [], 0
    while i < len(pattern):
        if pattern.startswith("**/", i):
            out.append("(?:.*/)?")
            i += 3
        elif pattern.startswith("**", i):
            out.append(".*")
            i += 2
        elif pattern[i] == "*":
            out.append("[^/]*")
            i += 1
        elif pattern[i] == "?":
            out.append("[^/]")
            i += 1
        elif pattern[i] == "[" and "]" in pattern[i + 2 :]:
            end = pattern.index("]", i + 2)
            inside = pattern[i + 1 : end]
            out.append("[" + ("^" + inside[1:] if inside[0] in "!^" else inside).replace("\\", "\\\\") + "]")
            i = end + 1
        elif pattern[i] == "\\" and i + 1 < len(pattern):
            out.append(re.escape(pattern[i + 1]))
            i += 2
        else:
            out.append(re.escape(pattern[i]))
            i += 1
    return "".join(out)
