"""Names and pathspecs: what they may look like, and how they are read.

    Flow                    F
    Flow/run                F/12            also F/latest_run, F/latest_successful_run
    Flow/run/step           F/12/fit
    Flow/run/step/task      F/12/fit/7
    Flow/run/step/task/artifact
"""
from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import InvalidPathspec

__all__ = ["LEVELS", "RUN_WORDS", "Pathspec", "is_name", "parse_pathspec"]

LEVELS = ("flow", "run", "step", "task", "artifact")
#: Words that stand for a run id: "F/latest_run".
RUN_WORDS = ("latest_run", "latest_successful_run")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*\Z")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}\Z")
# self[["any name"]] is an artifact too; only what could not be told from a path is refused.
_ARTIFACT = re.compile(r"[^/\x00-\x1f\x7f]+\Z")

_RULES = {
    "flow": (_NAME, "a flow name has letters, digits and '_', and begins with a letter"),
    "run": (_NUMBER, "a run id is a number, or one of " + ", ".join(RUN_WORDS)),
    "step": (_NAME, "a step name has letters, digits and '_', and begins with a letter"),
    "task": (_NUMBER, "a task id is a number"),
    "artifact": (_ARTIFACT, "an artifact name may hold anything but '/' and control characters"),
}


@dataclass(frozen=True)
class Pathspec:
    """A pathspec in parts; the parts after its level are None. `str()` gives it back."""

    flow: str
    run: str | None = None
    step: str | None = None
    task: str | None = None
    artifact: str | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in (self.flow, self.run, self.step, self.task, self.artifact) if part is not None)

    @property
    def level(self) -> str:
        """"flow", "run", "step", "task" or "artifact"."""
        return LEVELS[len(self.parts) - 1]

    def __str__(self) -> str:
        return "/".join(self.parts)


def is_name(text: str) -> bool:
    """Whether this may be the name of a flow, a step or a parameter."""
    return isinstance(text, str) and _NAME.match(text) is not None


def parse_pathspec(text: str, level: str | None = None) -> Pathspec:
    """Read "F/12/fit/7". InvalidPathspec when it cannot be read, or is not of the wanted `level`."""
    if not isinstance(text, str) or not text:
        raise InvalidPathspec(f"{text!r} is not a pathspec", hint=_shape(level))
    parts = text.split("/")
    if len(parts) > len(LEVELS):
        raise InvalidPathspec(f"{text!r} has {len(parts)} parts", hint=_shape(level))
    for name, part in zip(LEVELS, parts):
        _check_part(text, name, part)
    if level is not None and len(parts) != LEVELS.index(level) + 1:
        raise InvalidPathspec(
            f"{text!r} is the pathspec of {_article(LEVELS[len(parts) - 1])}, not of {_article(level)}",
            hint=_shape(level),
        )
    return Pathspec(*parts)


def _check_part(text: str, level: str, part: str) -> None:
    pattern, rule = _RULES[level]
    if pattern.match(part) is None and not (level == "run" and part in RUN_WORDS):
        what = f"{part!r} is not the {level} of a pathspec" if part else f"the {level} is empty"
        where = "" if part == text else f" in {text!r}"
        raise InvalidPathspec(f"{what}{where}", hint=f"{rule[0].upper()}{rule[1:]}.", data={"pathspec": text})


def _article(level: str) -> str:
    return f"an {level}" if level[0] in "aeiou" else f"a {level}"


def _shape(level: str | None) -> str:
    example = ("Flow", "12", "step", "7", "artifact")
    if level is None:
        return "A pathspec is Flow, Flow/12, Flow/12/step, Flow/12/step/7 or Flow/12/step/7/artifact."
    return f"The pathspec of {_article(level)} looks like {'/'.join(example[: LEVELS.index(level) + 1])}."
