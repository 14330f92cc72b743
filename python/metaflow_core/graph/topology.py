"""The compiled structure of a valid flow: everything that the engine asks about the graph, answered once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import InternalError
from ..types import JsonObject
from .flow import FlowSpec
from .view import GraphView, fan_out

__all__ = ["StepTopology", "Topology", "topology"]


@dataclass(frozen=True)
class StepTopology:
    """`kind` is "end", "join", "foreach", "split" (branches), "switch", "start" (when it just goes on) or "linear".

    `next` and `in_steps` are distinct step names in the order of the flow's text; a switch that may go to itself has
    itself among `next`, not among `in_steps`. `splits` are the splits that are open while the step runs, outermost
    first, and `foreaches` those of them that are a foreach: a task has one index for each. `branches` tells for every
    open branch split in which branch the step lies. `closes` is the split which a join closes, `closed_by` the join
    which closes a split; None for other steps.
    """

    name: str
    kind: str
    next: tuple[str, ...]
    in_steps: tuple[str, ...]
    splits: tuple[str, ...]
    foreaches: tuple[str, ...]
    branches: Mapping[str, str]
    closes: str | None
    closed_by: str | None
    recursive: bool

    @property
    def foreach_depth(self) -> int:
        return len(self.foreaches)

    def to_dict(self) -> JsonObject:
        return {
            "name": self.name,
            "kind": self.kind,
            "next": list(self.next),
            "in_steps": list(self.in_steps),
            "splits": list(self.splits),
            "foreaches": list(self.foreaches),
            "branches": dict(self.branches),
            "closes": self.closes,
            "closed_by": self.closed_by,
            "recursive": self.recursive,
        }


@dataclass(frozen=True)
class Topology:
    """`order` has every step after all steps that lead to it. `split_of` and `join_of` are each other's inverse."""

    steps: Mapping[str, StepTopology]
    order: tuple[str, ...]
    split_of: Mapping[str, str]
    join_of: Mapping[str, str]

    def __getitem__(self, name: str) -> StepTopology:
        return self.steps[name]

    def after(self, name: str) -> frozenset[str]:
        """All steps that can run after `name`, itself included: what a resume from there runs again."""
        found = {name}
        for step in self.order:
            if any(source in found for source in self.steps[step].in_steps):
                found.add(step)
        return frozenset(found)

    def between(self, split: str) -> frozenset[str]:
        """The steps inside of a split, its join and itself excluded."""
        return frozenset(name for name, step in self.steps.items() if split in step.splits)

    def to_dict(self) -> JsonObject:
        return {"order": list(self.order), "steps": [self.steps[name].to_dict() for name in self.order]}


def topology(spec: FlowSpec) -> Topology:
    """The topology of a flow that has passed the lint; InternalError for another one."""
    view = GraphView(spec)
    if set(view.order) != set(view.steps) or any(view.stacks[name] is None for name in view.order):
        raise InternalError(f"the graph of flow '{spec.name}' was compiled before it passed the lint")
    join_of = {split: join for join, split in view.split_of.items()}
    steps = {name: _compiled(view, name, join_of) for name in view.steps}
    return Topology(steps=steps, order=view.order, split_of=view.split_of, join_of=join_of)


def _compiled(view: GraphView, name: str, join_of: Mapping[str, str]) -> StepTopology:
    stack = view.stacks[name]
    return StepTopology(
        name=name,
        kind=_kind(view, name),
        next=view.next[name],
        in_steps=view.incoming[name],
        splits=tuple(opened.split for opened in stack),
        foreaches=tuple(opened.split for opened in stack if opened.branch is None),
        branches={opened.split: opened.branch for opened in stack if opened.branch is not None},
        closes=view.split_of.get(name),
        closed_by=join_of.get(name),
        recursive=name in view.self_recursive,
    )


def _kind(view: GraphView, name: str) -> str:
    step = view.steps[name]
    if step.join:
        return "join"
    kind = {"none": "end", "one": "linear", "branch": "split"}.get(fan_out(step), fan_out(step))
    return "start" if kind == "linear" and name == "start" else kind
