"""A flow seen as a graph: who leads to whom, what can be reached, which splits are open where.

It is computed for any flow, also a broken one, because the lint reads it: where something is wrong, nothing is known
downstream (None), so that one mistake is reported once and not at every step after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from heapq import heappop, heappush
from typing import NamedTuple

from ..nearest import suggest
from .flow import FlowSpec
from .step import StepSpec

__all__ = ["GraphView", "OpenSplit", "Stack", "fan_out"]


class OpenSplit(NamedTuple):
    """A split whose join is yet to come. `branch` is the first step of the branch we are in, None in a foreach."""

    split: str
    branch: str | None


Stack = tuple[OpenSplit, ...]


def fan_out(step: StepSpec) -> str:
    """How a step goes on: "none", "one", "branch", "foreach" or "switch"."""
    if step.switch is not None:
        return "switch"
    if step.foreach is not None:
        return "foreach"
    targets = len(set(step.next))
    return "none" if targets == 0 else "one" if targets == 1 else "branch"


class GraphView:
    def __init__(self, spec: FlowSpec) -> None:
        self.spec = spec
        self.steps: dict[str, StepSpec] = {}
        for step in spec.steps:
            self.steps.setdefault(step.name, step)  # the first of duplicates counts
        self.position = {name: number for number, name in enumerate(self.steps)}

    @cached_property
    def next(self) -> dict[str, tuple[str, ...]]:
        """Distinct targets of each step that exist, in the order they are written. A switch names them in its cases."""
        return {name: tuple(to for to in targets(step) if to in self.steps) for name, step in self.steps.items()}

    @cached_property
    def incoming(self) -> dict[str, tuple[str, ...]]:
        """Sources of each step, in the order of the flow, itself excepted."""
        sources: dict[str, list[str]] = {name: [] for name in self.steps}
        for name, following in self.next.items():
            for to in following:
                if to != name:
                    sources[to].append(name)
        return {name: tuple(found) for name, found in sources.items()}

    @cached_property
    def reachable(self) -> frozenset[str]:
        return reach(["start"] if "start" in self.steps else [], self.next)

    @cached_property
    def reachable_if_corrected(self) -> frozenset[str]:
        """What could be reached if misspelled transitions meant the near name."""
        if "start" not in self.steps:
            return frozenset()
        corrected = {
            name: [to if to in self.steps else suggest(to, self.steps) or name for to in targets(step)]
            for name, step in self.steps.items()
        }
        return reach(["start"], corrected)

    @cached_property
    def reaches_end(self) -> frozenset[str]:
        return reach(["end"] if "end" in self.steps else [], self.incoming)

    @cached_property
    def self_recursive(self) -> frozenset[str]:
        """Switches that may go to themselves."""
        return frozenset(
            name for name, step in self.steps.items() if step.switch is not None and name in self.next[name]
        )

    @cached_property
    def cycles(self) -> list[tuple[str, ...]]:
        """Loops that are not the recursion of one switch, each as a path that ends where it starts."""
        found = []
        for component in components(self.next):
            members = set(component)
            first = min(component, key=self.position.__getitem__)
            if len(component) > 1:
                found.append(loop_through(first, members, self.next))
            elif first in self.next[first] and first not in self.self_recursive:
                found.append((first, first))
        return sorted(found, key=lambda path: self.position[path[0]])

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Steps reachable from start so that each comes after all its sources, otherwise in the order of the flow.
        Steps on a loop or after one are missing."""
        waiting = {
            name: sum(source in self.reachable for source in self.incoming[name])
            for name in self.steps
            if name in self.reachable
        }
        looping = {path[0] for path in self.cycles if len(path) == 2}
        done: list[str] = []
        ready = [self.position[name] for name, count in waiting.items() if count == 0 and name not in looping]
        names = list(self.steps)
        while ready:
            name = names[heappop(ready)]
            done.append(name)
            for to in self.next[name]:
                if to == name:
                    continue
                waiting[to] -= 1
                if waiting[to] == 0 and to not in looping:
                    heappush(ready, self.position[to])
        return tuple(done)

    @cached_property
    def stacks(self) -> dict[str, Stack | None]:
        """Splits that are open when a step runs, outermost first (a join is outside of the split it closes)."""
        return self._stacks_and_arrivals[0]

    @cached_property
    def arrivals(self) -> dict[str, list[tuple[str, Stack]]]:
        """For each step whose sources are all known: (source, open splits on the way from it)."""
        return self._stacks_and_arrivals[1]

    @cached_property
    def _stacks_and_arrivals(self) -> tuple[dict[str, Stack | None], dict[str, list[tuple[str, Stack]]]]:
        stacks: dict[str, Stack | None] = {}
        arrivals: dict[str, list[tuple[str, Stack]]] = {}
        for name in self.order:
            sources = [source for source in self.incoming[name] if source in self.reachable]
            if any(stacks.get(source) is None for source in sources):
                stacks[name] = None
                continue
            arrivals[name] = [(source, self._on_the_way(stacks[source], source, name)) for source in sources]
            stacks[name] = inside(self.steps[name], [stack for _, stack in arrivals[name]])
        return stacks, arrivals

    def _on_the_way(self, stack: Stack, source: str, to: str) -> Stack:
        kind = fan_out(self.steps[source])
        if kind == "foreach":
            return (*stack, OpenSplit(source, None))
        return (*stack, OpenSplit(source, to)) if kind == "branch" else stack

    @cached_property
    def split_of(self) -> dict[str, str]:
        """The split that each join closes, where that is clear."""
        return {
            name: arrivals[0][1][-1].split
            for name, arrivals in self.arrivals.items()
            if self.steps[name].join and arrivals and self.stacks[name] is not None
        }


def targets(step: StepSpec) -> tuple[str, ...]:
    """Distinct names that a step goes to, in order, whether they exist or not."""
    cases = () if step.switch is None else step.switch.cases.values()
    return tuple(dict.fromkeys([*step.next, *cases]))


def inside(step: StepSpec, stacks: list[Stack]) -> Stack | None:
    """The open splits of a step that is reached with these, None when they do not fit together."""
    if not stacks:
        return ()
    first = stacks[0]
    if not step.join:
        return first if all(stack == first for stack in stacks) else None
    if not all(stacks):
        return None
    same = all(stack[-1].split == first[-1].split and stack[:-1] == first[:-1] for stack in stacks)
    return first[:-1] if same else None


def reach(roots: Iterable[str], edges: Mapping[str, Iterable[str]]) -> frozenset[str]:
    """Everything that can be reached from `roots`, themselves included."""
    seen = set(roots)
    waiting = list(seen)
    while waiting:
        for to in edges[waiting.pop()]:
            if to not in seen:
                seen.add(to)
                waiting.append(to)
    return frozenset(seen)


def components(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Strongly connected components (Tarjan), without recursion because a flow may be longer than Python's stack."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    trail: list[str] = []
    on_trail: set[str] = set()
    found: list[list[str]] = []
    for root in edges:
        if root in number:
            continue
        work = [(root, iter(edges[root]))]
        number[root] = low[root] = len(number)
        trail.append(root)
        on_trail.add(root)
        while work:
            name, following = work[-1]
            for to in following:
                if to not in number:
                    number[to] = low[to] = len(number)
                    trail.append(to)
                    on_trail.add(to)
                    work.append((to, iter(edges[to])))
                    break
                if to in on_trail:
                    low[name] = min(low[name], number[to])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[name])
                if low[name] == number[name]:
                    component = []
                    while not component or component[-1] != name:
                        component.append(trail.pop())
                        on_trail.discard(component[-1])
                    found.append(component)
    return found


def loop_through(first: str, members: set[str], edges: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """A shortest loop through `first` within a component, as a path from `first` to `first`."""
    came_from: dict[str, str] = {}
    waiting = [first]
    for name in waiting:
        for to in edges[name]:
            if to == first:
                path = [name]
                while path[-1] != first:
                    path.append(came_from[path[-1]])
                return (*reversed(path), first)
            if to in members and to not in came_from:
                came_from[to] = name
                waiting.append(to)
    raise AssertionError("a component of several steps has a loop through each of them")
