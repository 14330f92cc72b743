"""Where a task stands in the flow: its step and the foreach splits around it.

A position names the same piece of work in every run of a flow ("fit[3]", nested "fit[3][0]", the second turn of a
recursive step "loop#1"), so resume matches tasks of two runs by it, and a task's seed is derived from it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

__all__ = ["Frame", "position_of", "task_seed"]


@dataclass(frozen=True)
class Frame:
    """One foreach around a task. `value` is the artifact record of this split's element."""

    step: str
    var: str
    index: int
    count: int
    value: Any = None
    label: str | None = None

    def to_dict(self) -> dict[str, Any]:
        shown = {"step": self.step, "var": self.var, "index": self.index, "count": self.count}
        if self.label is not None:
            shown["label"] = self.label
        return shown


def position_of(step: str, stack: tuple[Frame, ...], turn: int = 0) -> str:
    text = step + "".join(f"[{frame.index}]" for frame in stack)
    return f"{text}#{turn}" if turn else text


def task_seed(run_seed: int, position: str) -> int:
    """A seed for R: 1 <= seed < 2**31, the same for the same run seed and position."""
    digest = hashlib.sha256(f"{run_seed}/{position}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % (2**31 - 1) + 1
