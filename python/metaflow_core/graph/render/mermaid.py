"""A flow in Mermaid's language, which GitHub and many notebooks draw."""

from __future__ import annotations

from ..flow import FlowSpec
from ..step import StepSpec
from ..view import GraphView, fan_out
from .labels import transition_label

__all__ = ["to_mermaid"]


def to_mermaid(spec: FlowSpec) -> str:
    view = GraphView(spec)
    # Step names can be words of Mermaid ("end" is one): numbers are safe.
    ids = {name: f"s{number}" for number, name in enumerate(view.steps)}
    lines = ["flowchart TD"]
    lines += [f"    {ids[name]}{_shape(step)}" for name, step in view.steps.items()]
    for name, step in view.steps.items():
        for to in view.next[name]:
            label = transition_label(step, to)
            arrow = f'-- "{_escaped(label)}" -->' if label else "-->"
            lines.append(f"    {ids[name]} {arrow} {ids[to]}")
    return "\n".join(lines)


def _shape(step: StepSpec) -> str:
    name = f'"{_escaped(step.name)}"'
    if step.switch is not None:
        return "{" + name + "}"
    if step.join:
        return "{{" + name + "}}"
    if step.name in ("start", "end"):
        return "([" + name + "])"
    return "[[" + name + "]]" if fan_out(step) == "foreach" else "[" + name + "]"


def _escaped(text: str) -> str:
    return text.replace("#", "#35;").replace('"', "#quot;").replace("<", "#lt;").replace("\n", " ")
