"""`self` of a step in Python: artifacts are its attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..graph.names import RESERVED_NAMES
from ..nearest import did_you_mean
from .failure import no_attribute
from .inputs import Inputs, plan_merge
from .state import TaskState

__all__ = ["Flow"]


class Flow:
    """`self.x` reads an artifact or a parameter, `self.x = value` makes one; `self["my.grid"]` for names that Python
    cannot write. `self.input`, `self.index` (from 0) and `self.foreach_stack()` tell which split this task has."""

    __slots__ = ("_state",)

    def __init__(self, state: TaskState) -> None:
        object.__setattr__(self, "_state", state)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        state: TaskState = self._state
        if name in state.refs or name in state.values:
            return state.get(name)
        state.look(f"self:{name}")
        if name in ("input", "index"):
            return _reserved(state, name)
        if name in ("next_step", "next"):
            raise no_attribute(
                f"a step does not choose its '{name}'", "The flow says in R where a step goes: step(next_step = ...)."
            )
        state.look("names")
        hint = did_you_mean(name, state.names) or (
            "It has: " + ", ".join(state.names[:20]) + "."
            if state.names
            else "It has no artifacts yet; assign one with self.name = value."
        )
        raise no_attribute(f"flow has no attribute '{name}'", hint)

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __setitem__(self, name: str, value: Any) -> None:
        state: TaskState = self._state
        if not isinstance(name, str) or not name:
            raise no_attribute("an artifact needs a name of one text", "Write self.name = value.")
        if name in state.parameters:
            raise no_attribute(f"parameter '{name}' is read-only", "Store the changed value under another name.")
        if name in RESERVED_NAMES or hasattr(type(self), name):
            raise no_attribute(f"'{name}' is reserved and cannot be an artifact", "Choose another name.")
        state.put(name, value)

    def __delattr__(self, name: str) -> None:
        raise no_attribute(
            f"artifact '{name}' cannot be removed", "Later steps have what earlier ones assigned; assign None."
        )

    def __contains__(self, name: object) -> bool:
        self._state.look("names")
        return name in self._state.names

    def __dir__(self) -> list[str]:
        self._state.look("names")
        return [*self._state.names, "input", "index", "foreach_stack", "merge_artifacts"]

    def __iter__(self) -> Iterator[str]:
        self._state.look("names")
        return iter(self._state.names)

    def foreach_stack(self) -> list[dict[str, Any]]:
        """{"index", "count", "value"} of each foreach around this task, outermost first."""
        state: TaskState = self._state
        state.note("stack")
        return [
            {"index": int(frame["index"]), "count": int(frame["count"]), "value": _split_value(state, frame)}
            for frame in state.stack
        ]

    def merge_artifacts(self, inputs: Inputs, exclude: Any = (), include: Any = ()) -> list[str]:
        """Take over what the inputs of a join agree about, without reading it; the names of what was taken over.

        When some disagree, MergeArtifactsException names them and nothing is set. What was assigned before stays."""
        self._state.look("inputs*")
        refs = plan_merge(self._state, inputs, _names(exclude), _names(include))
        for name, ref in refs.items():
            self._state.carry(name, ref)
        return list(refs)

    def __repr__(self) -> str:
        self._state.look_at_task("it printed self, which says its pathspec")
        return f"<self of {self._state.facts['pathspec']}: {', '.join(self._state.names) or 'no artifacts'}>"

    def __reduce__(self) -> Any:
        raise TypeError("self ends with its task")


def _names(given: Any) -> list[str]:
    return [given] if isinstance(given, str) else list(given or ())


def _reserved(state: TaskState, name: str) -> Any:
    state.look(name)
    if not state.stack:
        return None
    frame = state.stack[-1]
    if name == "input":
        state.note("input")
    return int(frame["index"]) if name == "index" else _split_value(state, frame)


def _split_value(state: TaskState, frame: dict[str, Any]) -> Any:
    # Read once, so that self.input is the same object every time.
    if "value" not in frame:
        frame["value"] = state.read(frame["ref"], "the value of this foreach split")
    return frame["value"]
