"""A flow as plain data for programs that draw by themselves."""

from __future__ import annotations

from ...types import JsonObject
from ..flow import FlowSpec
from ..view import GraphView, fan_out
from .labels import transition_label

__all__ = ["to_structure"]


def to_structure(spec: FlowSpec) -> JsonObject:
    """{"flow", "steps": [{"name", "fan_out", "join", "splits", "closes", "decorators", "line"}], "edges": [{"from",
    "to", "label"}]}; `splits` is null where a mistake hides it."""
    view = GraphView(spec)
    steps = []
    for name, step in view.steps.items():
        stack = view.stacks.get(name)
        steps.append(
            {
                "name": name,
                "fan_out": fan_out(step),
                "join": step.join,
                "splits": None if stack is None else [opened.split for opened in stack],
                "closes": view.split_of.get(name),
                "decorators": [decorator.to_dict() for decorator in step.decorators],
                "line": step.line,
            }
        )
    edges = [
        {"from": name, "to": to, "label": transition_label(step, to)}
        for name, step in view.steps.items()
        for to in view.next[name]
    ]
    return {"flow": spec.name, "steps": steps, "edges": edges}
