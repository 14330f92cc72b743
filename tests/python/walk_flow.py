"""Runs a flow without doing anything: an independent and simple account of what tasks there will be.

It is the judge of the lint: a flow without problems must come to its end on every way through it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from metaflow_core.graph.flow import FlowSpec

MAXIMUM_TASKS = 5000


@dataclass
class Walk:
    """`tasks` are (step, open splits); `stuck` are joins that wait for inputs that never come."""

    tasks: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    joined: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    @property
    def ends(self) -> list[tuple[str, ...]]:
        return [splits for step, splits in self.tasks if step == "end"]


def walk(spec: FlowSpec, count: Callable[[], int], choose: Callable[[list[str]], str], join_of: dict[str, str]) -> Walk:
    """`count` says how many values a foreach has, `choose` takes one of the targets of a switch. A foreach over nothing
    goes to its join, which `join_of` names."""
    steps = {step.name: step for step in spec.steps}
    result = Walk()
    arrived: dict[tuple, int] = defaultdict(int)
    waiting: list[tuple[str, tuple]] = [("start", ())]
    while waiting:
        name, stack = waiting.pop()
        step = steps[name]
        if step.join:
            if not stack:
                result.stuck.append(name)
                continue
            split, size, instance = stack[-1]
            key = (name, stack[:-1], split, instance)
            arrived[key] += 1
            if arrived[key] < size:
                continue
            del arrived[key]
            stack = stack[:-1]
            result.joined[name].add(split)
        _run(step, stack, waiting, result, count, choose, join_of)
        if len(result.tasks) > MAXIMUM_TASKS:
            raise AssertionError("the walk does not end")
    result.stuck.extend(key[0] for key in arrived)
    return result


def _run(step, stack, waiting, result, count, choose, join_of):
    result.tasks.append((step.name, tuple(split for split, _, _ in stack)))
    instance = len(result.tasks)
    if step.switch is not None:
        waiting.append((choose(list(step.next)), stack))
    elif step.foreach is not None:
        size = count()
        inner = [(step.next[0], (*stack, (step.name, size, instance)))] * size
        # A join over nothing still happens once.
        waiting.extend(inner or [(join_of[step.name], (*stack, (step.name, 1, instance)))])
    elif len(step.next) > 1:
        waiting.extend((to, (*stack, (step.name, len(step.next), instance))) for to in step.next)
    else:
        waiting.extend((to, stack) for to in step.next)
