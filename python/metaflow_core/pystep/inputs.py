"""`inputs` of a join step in Python: inputs.a.x after a branch, inputs[0].x after a foreach, and a loop over them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..nearest import did_you_mean
from ..rdata.artifact import note_of
from ..rdata.reader import read
from ..rdata.same import same
from .failed_split import FailedSplit
from .failure import MergeArtifactsException, no_attribute
from .state import TaskState

__all__ = ["Input", "Inputs", "plan_merge"]


class Input:
    """One task that came before a join; its artifacts are attributes, and read-only."""

    __slots__ = ("_item", "_state")

    def __init__(self, state: TaskState, item: dict[str, Any]) -> None:
        object.__setattr__(self, "_state", state)
        object.__setattr__(self, "_item", item)

    def ref(self, name: str) -> str | None:
        state = self._state
        return self._item["artifacts"].get(name) or state.inputs["base"].get(name) or state.parameters.get(name)

    @property
    def names(self) -> list[str]:
        state = self._state
        state.look("inputs*")
        return list(dict.fromkeys([*state.parameters, *state.inputs["base"], *self._item["artifacts"]]))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        ref = self.ref(name)
        if ref is not None:
            self._state.note(f"inputs:{name}")
            return self._state.read(ref, f"artifact '{name}' of an input")
        self._state.look("inputs*")
        facts = self._state.facts
        if name == "pathspec":
            self._state.look_at_task("it read the pathspec of an input")
            return f"{facts['flow_name']}/{facts['run_id']}/{self._item['step']}/{self._item['task']}"
        raise no_attribute(
            f"input from step '{self._item['step']}' has no attribute '{name}'", did_you_mean(name, self.names)
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise no_attribute(
            "inputs are read-only", f"Assign to self what the join shall keep: self.{name} = inputs[0].{name}."
        )

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __dir__(self) -> list[str]:
        return self.names

    def __repr__(self) -> str:
        self._state.look_at_task("it printed an input, which says its task")
        return f"<input {self._item['step']}/{self._item['task']}: {', '.join(self.names)}>"

    def __reduce__(self) -> Any:
        raise TypeError("inputs end with their task")


class Inputs:
    def __init__(self, state: TaskState) -> None:
        self._inputs = [
            Input(state, item) if item.get("failure") is None else FailedSplit(state, item)
            for item in state.inputs["items"]
        ]
        steps = [item["step"] for item in state.inputs["items"]] if state.inputs["named"] else []
        self._by_step = dict(zip(steps, self._inputs))

    def __getattr__(self, name: str) -> Input:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, key: int | str | slice) -> Any:
        if isinstance(key, str):
            if key not in self._by_step:
                hint = (
                    did_you_mean(key, self._by_step)
                    if self._by_step
                    else "The inputs of a foreach have no names; use inputs[i]."
                )
                raise no_attribute(f"inputs has no step '{key}'", hint)
            return self._by_step[key]
        try:
            return self._inputs[key]
        except IndexError:
            raise IndexError(f"there is no inputs[{key}]: there are {len(self)}, from inputs[0] on") from None

    @property
    def succeeded(self) -> list[Input]:
        """Those that have artifacts."""
        return [item for item in self._inputs if isinstance(item, Input)]

    @property
    def failed(self) -> list[FailedSplit]:
        return [item for item in self._inputs if isinstance(item, FailedSplit)]

    def __len__(self) -> int:
        return len(self._inputs)

    def __iter__(self) -> Iterator[Input]:
        return iter(self._inputs)

    def __dir__(self) -> list[str]:
        return list(self._by_step)

    def __repr__(self) -> str:
        return f"<inputs of {len(self)} tasks>"

    def __reduce__(self) -> Any:
        raise TypeError("inputs end with their task")


def plan_merge(state: TaskState, inputs: Inputs, exclude: list[str], include: list[str]) -> dict[str, str]:
    """{name: reference} of what the inputs agree about."""
    if not isinstance(inputs, Inputs):
        raise TypeError("merge_artifacts() needs the 'inputs' of a join step")
    if exclude and include:
        raise MergeArtifactsException("'exclude' and 'include' were both given", hint="Give one of them.")
    having = inputs.succeeded  # splits that failed have no artifacts and no say
    known = list(dict.fromkeys(name for item in having for name in item.names if name not in state.parameters))
    missing = [name for name in include if name not in known]
    if missing:
        raise MergeArtifactsException(f"no input has {_quoted(missing)}", hint=did_you_mean(missing[0], known))
    wanted = include or [name for name in known if name not in exclude and name not in state.assigned]
    refs, conflicts = {}, []
    for name in wanted:
        found = list(dict.fromkeys(ref for ref in (item.ref(name) for item in having) if ref is not None))
        if _agree(state, name, found):
            refs[name] = found[0]
        else:
            conflicts.append(name)
    if conflicts:
        raise MergeArtifactsException(
            f"the inputs have different values for {_quoted(conflicts)}",
            hint=f"Assign self.{conflicts[0]} in the join step before merge_artifacts(), or leave it out with exclude.",
        )
    return refs


def _agree(state: TaskState, name: str, refs: list[str]) -> bool:
    """Equal bytes are equal values. Different bytes can still be (R writes 1:3 and c(1L, 2L, 3L) differently), so a
    seeming conflict is looked at before it is called one."""
    by_digest = {ref.rsplit(" ", 1)[1]: ref for ref in refs}
    if len(by_digest) <= 1:
        return True
    values = []
    for ref in by_digest.values():
        data = state.data(ref, f"artifact '{name}'")
        node, end = read(data)
        values.append((node, note_of(data, end)))
    return all(same(values[0][0], node) and values[0][1] == note for node, note in values[1:])


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
