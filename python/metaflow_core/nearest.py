"""Which of the known names did the user mean?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from difflib import SequenceMatcher

__all__ = ["did_you_mean", "suggest"]

_LIKENESS_MINIMUM = 0.6


def suggest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate nearest to `word`, or None when none is near. Case, `-`, `_` and `.` do not count."""
    from difflib import SequenceMatcher  # nothing is looked for where nobody erred

    wanted = _plain(word)
    matcher = SequenceMatcher(None, b=wanted, autojunk=False)
    best, best_likeness = None, _LIKENESS_MINIMUM
    for candidate in sorted(set(candidates)):
        likeness = _likeness(matcher, wanted, _plain(candidate), best_likeness)
        if likeness > best_likeness:
            best, best_likeness = candidate, likeness
    return best


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A hint for an unknown `word`: the near name, else all the names when they are few, else nothing."""
    names = sorted(set(candidates))
    near = suggest(word, names)
    if near is not None:
        return f"Did you mean '{near}'?"
    if not names or len(names) > 20:
        return ""
    return "Known: " + ", ".join(names) + "."


def _plain(word: str) -> str:
    return word.lower().replace("-", "_").replace(".", "_")


def _likeness(matcher: SequenceMatcher, wanted: str, candidate: str, minimum: float) -> float:
    """How much `candidate` is like the matcher's word, from 0 to 1; 0 when it is not above `minimum`."""
    if wanted == candidate:
        return 1.0
    # An abbreviation ("mem" for "memory") shares few letters with a long name, yet it is what was meant.
    if len(wanted) >= 3 and candidate.startswith(wanted):
        return 0.9
    matcher.set_seq1(candidate)
    # The bounds are cheap, the exact likeness is not.
    for bound in (matcher.real_quick_ratio, matcher.quick_ratio):
        if bound() <= minimum:
            return 0.0
    return matcher.ratio()
