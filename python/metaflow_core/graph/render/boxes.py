"""A flow as boxes and arrows, for flows that are in order and not too wide."""

from __future__ import annotations

from ..flow import FlowSpec
from ..view import GraphView, targets
from .block import Block, beside, box, line_with_label, stacked
from .labels import case_labels, decorator_names, transition_label
from .strokes import ASCII, UNICODE

__all__ = ["draw_boxes"]

# Beyond this nobody wants to scroll.
STEPS_MAXIMUM = 60


def draw_boxes(spec: FlowSpec, ascii: bool = False, width: int = 80) -> str | None:
    """The drawing, or None when the flow has mistakes in its transitions, or is too wide or too long for a drawing."""
    view = GraphView(spec)
    if not _drawable(view):
        return None
    block = _Drawing(view, ASCII if ascii else UNICODE).sequence("start", stop=None)
    if block.width > width:
        return None
    return "\n".join(line.rstrip() for line in block.lines)


def _drawable(view: GraphView) -> bool:
    complete = len(view.order) == len(view.spec.steps) == len(view.steps)
    known = all(to in view.steps for step in view.steps.values() for to in targets(step))
    return complete and known and 0 < len(view.steps) <= STEPS_MAXIMUM


class _Drawing:
    def __init__(self, view: GraphView, strokes) -> None:
        self._view = view
        self._strokes = strokes
        self._drawn: set[str] = set()
        self._meeting = meeting_points(view)

    def sequence(self, name: str, stop: str | None) -> Block:
        """The steps from `name` on, up to but without `stop`, one below the other."""
        blocks: list[Block] = []
        while name != stop:
            if name in self._drawn:
                blocks.append(self._reference(name))
                break
            self._drawn.add(name)
            blocks.append(self._box(name))
            following = self._following(name)
            if not following:
                break
            if len(following) == 1:
                below = following[0]
                label = transition_label(self._view.steps[name], below)
                if label or below != stop:
                    blocks.append(self._line(label, arrow=below != stop))
            else:
                below = self._meeting[name]
                blocks.append(self._columns(name, following, below))
                if below is None or not blocks[-1].goes_on:
                    break
                if below != stop:
                    blocks.append(self._line("", arrow=True))
            name = below
        return stacked(blocks)

    def _columns(self, name: str, following: list[str], stop: str | None) -> Block:
        step = self._view.steps[name]
        columns = []
        for to in following:
            line = self._line(case_labels(step, to), arrow=to != stop)
            columns.append(line if to == stop else stacked([line, self.sequence(to, stop)]))
        return beside(columns, self._strokes)

    def _following(self, name: str) -> list[str]:
        return [to for to in self._view.next[name] if to != name]

    def _line(self, label: str, arrow: bool) -> Block:
        return line_with_label(label, self._strokes, arrow)

    def _reference(self, name: str) -> Block:
        text = f"({name})"
        return Block((text,), len(text) // 2, goes_on=False)

    def _box(self, name: str) -> Block:
        step = self._view.steps[name]
        texts = [name]
        if step.switch is not None:
            texts.append(f"{step.switch.condition}?")
        if name in self._view.self_recursive:
            texts.append(f"{self._strokes.again} {case_labels(step, name)}")
        if step.decorators:
            texts.append(decorator_names(step))
        many = any(opened.branch is None for opened in self._view.stacks[name] or ())
        return box(texts, self._strokes, many=many, goes_on=bool(self._following(name)))


def meeting_points(view: GraphView) -> dict[str, str | None]:
    """For each step the first step that all ways from it pass (its immediate post-dominator), None if there is none."""
    after: dict[str, frozenset[str]] = {}
    meeting: dict[str, str | None] = {}
    place = {name: number for number, name in enumerate(view.order)}
    for name in reversed(view.order):
        ways = [after[to] for to in view.next[name] if to != name]
        common = frozenset.intersection(*ways) if ways else frozenset()
        meeting[name] = min(common, key=place.__getitem__, default=None)
        after[name] = common | {name}
    return meeting
