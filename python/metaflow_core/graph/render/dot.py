"""A flow in the language of Graphviz."""

from __future__ import annotations

from ..flow import FlowSpec
from ..step import StepSpec
from ..view import GraphView, fan_out
from .labels import transition_label

__all__ = ["to_dot"]


def to_dot(spec: FlowSpec) -> str:
    view = GraphView(spec)
    lines = [f"digraph {_quoted(spec.name)} {{", '  node [shape=box, style=rounded, fontname="Helvetica"];']
    lines.append('  edge [fontname="Helvetica", fontsize=10];')
    lines += [f"  {_quoted(name)}{_shape(step)};" for name, step in view.steps.items()]
    for name, step in view.steps.items():
        for to in view.next[name]:
            label = transition_label(step, to)
            lines.append(f"  {_quoted(name)} -> {_quoted(to)}{f' [label={_quoted(label)}]' if label else ''};")
    return "\n".join([*lines, "}"])


def _shape(step: StepSpec) -> str:
    if step.switch is not None:
        return " [shape=diamond]"
    if step.join:
        return " [shape=hexagon]"
    return " [peripheries=2]" if fan_out(step) == "foreach" else ""


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
