"""Checks a flow before anything runs, and finds all of its problems at once."""

from __future__ import annotations

from dataclasses import replace

from ..errors import InvalidFlow
from .flow import FlowSpec
from .problem import Problem, describe
from .rules import ALL_RULES
from .view import GraphView

__all__ = ["Problem", "problems", "require_valid"]


def problems(spec: FlowSpec) -> list[Problem]:
    """Everything that is wrong with the flow, in the order of its steps, the flow itself first. Never raises."""
    view = GraphView(spec)
    found = [problem for rule in ALL_RULES for problem in rule(view)]
    found.sort(key=lambda problem: view.position.get(problem.step, -1))
    return [_with_line(problem, view) for problem in found]


def require_valid(spec: FlowSpec) -> None:
    """InvalidFlow with all problems in its message and its data, unless there are none."""
    found = problems(spec)
    if found:
        raise InvalidFlow(
            describe(spec.name, found, spec.script),
            hint="Nothing was run.",
            data=[problem.to_dict() for problem in found],
        )


def _with_line(problem: Problem, view: GraphView) -> Problem:
    step = view.steps.get(problem.step)
    return problem if step is None or problem.line is not None else replace(problem, line=step.line)
