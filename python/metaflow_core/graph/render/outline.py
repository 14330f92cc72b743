"""A flow as a list: one row per step, set in by the splits it lies in. Fits every flow, also one with mistakes."""

from __future__ import annotations

from ..flow import FlowSpec
from ..step import StepSpec
from ..view import GraphView, fan_out, targets
from .labels import case_labels, decorator_names
from .strokes import ASCII, UNICODE, Strokes

__all__ = ["draw_outline"]


def draw_outline(spec: FlowSpec, ascii: bool = False) -> str:
    """
    start       ⇉ fit, foreach grid
    │ fit       → pick               [titus]
    pick        → end                joins 'start'
    end
    """
    strokes = ASCII if ascii else UNICODE
    view = GraphView(spec)
    # Steps on a loop or out of reach have no place in the order: they follow in the order of the text.
    names = [*view.order, *(name for name in view.steps if name not in set(view.order))]
    rows = [_row(view, name, strokes) for name in names]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def _row(view: GraphView, name: str, strokes: Strokes) -> tuple[str, str, str]:
    step = view.steps[name]
    rail = f"{strokes.down} " * len(view.stacks.get(name) or ())
    return rail + name, _transition(view, step, strokes), _notes(view, step)


def _transition(view: GraphView, step: StepSpec, strokes: Strokes) -> str:
    following = [_target(view, step, to, strokes) for to in targets(step)]
    if not following:
        return ""
    kind = fan_out(step)
    arrow = strokes.arrow_split if kind in ("branch", "foreach") else strokes.arrow_right
    extra = f", foreach {step.foreach}" if kind == "foreach" else f", by {step.switch.condition}" if step.switch else ""
    return f"{arrow} {', '.join(following)}{extra}"


def _target(view: GraphView, step: StepSpec, to: str, strokes: Strokes) -> str:
    shown = to if to in view.steps else f"{to} (missing)"
    shown = f"{strokes.again} {shown}" if to == step.name else shown
    cases = case_labels(step, to)
    return f"{shown} ({cases})" if cases else shown


def _notes(view: GraphView, step: StepSpec) -> str:
    notes = []
    if step.join:
        split = view.split_of.get(step.name)
        notes.append(f"joins {split}" if split else "join")
    if step.decorators:
        notes.append(f"[{decorator_names(step)}]")
    if "start" in view.steps and step.name not in view.reachable_if_corrected:
        notes.append("unreachable")
    return " ".join(notes)
