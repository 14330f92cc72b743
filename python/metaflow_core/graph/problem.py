"""One thing that is wrong with a flow: what, where, and the cure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..types import JsonObject

__all__ = ["Problem", "describe"]


@dataclass(frozen=True)
class Problem:
    """`code` is stable, for programs. `step` is None when the flow as a whole is meant; `line` is in the script."""

    code: str
    step: str | None
    message: str
    hint: str = ""
    line: int | None = None

    def to_dict(self) -> JsonObject:
        return {"code": self.code, "step": self.step, "message": self.message, "hint": self.hint, "line": self.line}


def describe(flow_name: str, problems: Iterable[Problem], script: str | None = None) -> str:
    """The problems as a text for a person."""
    found = list(problems)
    count = "1 problem" if len(found) == 1 else f"{len(found)} problems"
    lines = [f"flow '{flow_name}' has {count}:"]
    for number, problem in enumerate(found, start=1):
        place = f"{script}:{problem.line}: " if script and problem.line else ""
        lines.append(f"  {number}. {place}{problem.message}")
        if problem.hint:
            indent = " " * len(f"  {number}. ")
            lines.append(f"{indent}{problem.hint}")
    return "\n".join(lines)
