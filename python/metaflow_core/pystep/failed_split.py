"""A split that failed, in its place among the inputs of a join (as R/inputs-failure.R)."""

from __future__ import annotations

from typing import Any

from .failure import no_attribute
from .state import TaskState

__all__ = ["FailedSplit"]


class FailedSplit:
    """Why a split has no artifacts: `classes`, `message`, `frames`, `cause` ("error", "timeout", "oom", "crash", ...),
    `index` (from 0) and `input`, place and value of the split, and `pathspec`, the task that failed. A plain value,
    which can be assigned to an artifact."""

    def __init__(self, state: TaskState, item: dict[str, Any]) -> None:
        told, facts = item["failure"], state.facts
        self.classes = list(told["classes"] or ())
        self.message = told["message"]
        self.frames = list(told["frames"] or ())
        self.cause = told["cause"]
        self.index = int(told["index"])
        self.input = state.read(told["ref"], "the value of a split that failed")
        self.pathspec = f"{facts['flow_name']}/{facts['run_id']}/{item['step']}/{item['task']}"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__") or "message" not in self.__dict__:
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        raise no_attribute(
            f"no '{name}' in split {self.index}, which failed ({self.cause}): {self.message}",
            "Use succeeded(inputs) for the splits that have artifacts; failed(inputs) says why others have none.",
        )

    def __repr__(self) -> str:
        return f"<failure> {self.pathspec}, split {self.index}: {self.cause}"
