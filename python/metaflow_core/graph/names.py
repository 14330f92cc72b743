"""Which names are safe: as a folder on every system, after `$` in R and in a path of steps."""

from __future__ import annotations

import re

__all__ = ["RESERVED_NAMES", "R_WORDS", "artifact_complaint", "name_complaint", "repaired"]

_SAFE = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
# An artifact is no folder, and a dot is part of many names in R: self$my.grid.
_ARTIFACT = re.compile(r"(?:[A-Za-z]|\.(?![0-9]))[A-Za-z0-9._]*\Z")
LONGEST = 100

# What `self` means by these names (R/self.R).
RESERVED_NAMES = frozenset({"foreach_stack", "index", "input", "next_step"})

# `self$if` is a syntax error.
R_WORDS = frozenset(
    {
        "if",
        "else",
        "repeat",
        "while",
        "function",
        "for",
        "next",
        "break",
        "in",
        "TRUE",
        "FALSE",
        "NULL",
        "Inf",
        "NaN",
        "NA",
        "NA_integer_",
        "NA_real_",
        "NA_character_",
        "NA_complex_",
    }
)


def name_complaint(name: str, reserved: frozenset[str] = RESERVED_NAMES) -> str | None:
    """What is wrong with `name`, as words after it ("is reserved"), or None."""
    if not name:
        return "is empty"
    if not _SAFE.match(name):
        return "must start with a letter and hold only letters, digits and underscores"
    if len(name) > LONGEST:
        return f"is longer than {LONGEST} characters"
    if name in R_WORDS:
        return "is a word of the R language"
    if name in reserved:
        return "is reserved"
    return None


def artifact_complaint(name: str) -> str | None:
    """The same for the name of an artifact that the flow only reads."""
    if _ARTIFACT.match(name) and "." in name:
        return None if len(name) <= LONGEST else f"is longer than {LONGEST} characters"
    return name_complaint(name)


def repaired(name: str) -> str | None:
    """A safe name that looks like `name`, or None when little is left of it."""
    candidate = re.sub(r"[^A-Za-z0-9_]+", "_", name).lstrip("_0123456789").rstrip("_")[:LONGEST]
    return candidate if candidate and name_complaint(candidate) is None else None
