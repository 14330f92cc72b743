"""A flow made ready to be scheduled: for every step what the scheduler asks about it, looked up once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..graph.flow import FlowSpec
from ..graph.step import MAX_ITERATIONS
from ..graph.topology import topology

__all__ = ["Plan", "PlannedStep", "make_plan"]


@dataclass(frozen=True)
class PlannedStep:
    name: str
    next: tuple[str, ...]
    foreach: str | None
    join: bool
    condition: str | None
    cases: Mapping[str, str]
    closes: str | None
    """For a join: the split step whose tasks it brings together."""
    policy: Any
    """decorators.policy.StepPolicy: attempts, delays, timeout, catch, resources, environment."""
    max_turns: int = MAX_ITERATIONS
    """How often a step that goes back to itself may run in one place."""
    language: str = "r"
    min_success: float = 1.0
    """For a foreach: the fraction of its splits that must succeed for the run to go on."""

    def can_spare(self, count: int) -> int:
        """How many of `count` splits may fail."""
        return int(count * (1.0 - self.min_success) + 1e-9)


@dataclass(frozen=True)
class Plan:
    flow: str
    steps: Mapping[str, PlannedStep]
    join_of: Mapping[str, str]
    in_steps: Mapping[str, tuple[str, ...]]

    def is_foreach(self, step: str) -> bool:
        return self.steps[step].foreach is not None


def make_plan(spec: FlowSpec, policies: Mapping[str, Any]) -> Plan:
    """`spec` has passed lint. `policies`: StepPolicy by step name."""
    shape = topology(spec)
    steps = {}
    for step in spec.steps:
        steps[step.name] = PlannedStep(
            name=step.name,
            next=step.next,
            foreach=step.foreach,
            join=step.join,
            condition=step.switch.condition if step.switch else None,
            cases=dict(step.switch.cases) if step.switch else {},
            closes=shape.split_of.get(step.name),
            policy=policies[step.name],
            min_success=step.spared_to,
            max_turns=(step.switch and step.switch.max_iterations) or MAX_ITERATIONS,
            language=step.language,
        )
    in_steps = {name: shape.steps[name].in_steps for name in steps}
    return Plan(spec.name, steps, dict(shape.join_of), in_steps)
