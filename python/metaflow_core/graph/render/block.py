"""A rectangle of text with an axis: the column where the line comes in at its top and goes out at its bottom."""

from __future__ import annotations

from dataclasses import dataclass

from .strokes import Strokes

__all__ = ["Block", "beside", "box", "line_with_label", "stacked"]

GAP = 3


@dataclass(frozen=True)
class Block:
    """`goes_on` is false when nothing leads out at the bottom. All lines have the same length."""

    lines: tuple[str, ...]
    axis: int
    goes_on: bool = True

    @property
    def width(self) -> int:
        return len(self.lines[0]) if self.lines else 1


def box(texts: list[str], strokes: Strokes, many: bool, goes_on: bool) -> Block:
    """A box around centred texts; a second edge at its right when many tasks run there."""
    inner = max(len(text) for text in texts) + 2
    middle = 1 + inner // 2
    top = strokes.top_left + strokes.across * inner + strokes.top_right
    bottom = strokes.bottom_left + strokes.across * inner + strokes.bottom_right
    if goes_on:
        bottom = _put(bottom, middle, strokes.tee_down)
    rows = [top, *(strokes.down + text.center(inner) + strokes.down for text in texts), bottom]
    if many:
        edges = [strokes.top_right, *[strokes.down] * len(texts), strokes.bottom_right]
        rows = [row + edge for row, edge in zip(rows, edges)]
    return Block(tuple(rows), middle, goes_on)


def line_with_label(label: str, strokes: Strokes, arrow: bool) -> Block:
    """A line down, with a label at its right side, and an arrow head at its end if wanted."""
    width = 1 + (1 + len(label) if label else 0)
    rows = [f"{strokes.down} {label}" if label else strokes.down] if label or not arrow else []
    if arrow:
        rows.append(strokes.arrow_down)
    return Block(tuple(row.ljust(width) for row in rows), 0)


def stacked(blocks: list[Block]) -> Block:
    """One below the other, on one axis."""
    axis = max(block.axis for block in blocks)
    right = max(block.width - block.axis for block in blocks)
    lines = []
    for block in blocks:
        left = axis - block.axis
        lines.extend(" " * left + line + " " * (axis + right - left - block.width) for line in block.lines)
    return Block(tuple(lines), axis, blocks[-1].goes_on)


def beside(blocks: list[Block], strokes: Strokes) -> Block:
    """Side by side, with lines from one axis above to each of them, and from each that goes on to one axis below."""
    height = max(len(block.lines) for block in blocks)
    offsets, width = [], 0
    for block in blocks:
        offsets.append(width)
        width += block.width + GAP
    width -= GAP
    axes = [offset + block.axis for offset, block in zip(offsets, blocks)]
    out = [axis for axis, block in zip(axes, blocks) if block.goes_on]
    axis = (axes[0] + axes[-1]) // 2
    rows = [_rail(axes, axis, width, strokes, above=True)]
    for number in range(height):
        row = ""
        for block, offset in zip(blocks, offsets):
            row = row.ljust(offset) + (block.lines[number] if number < len(block.lines) else _extension(block, strokes))
        rows.append(row.ljust(width))
    if out:
        rows.append(_rail(out, axis, width, strokes, above=False))
    return Block(tuple(rows), axis, bool(out))


def _extension(block: Block, strokes: Strokes) -> str:
    """What stands below a block that is shorter than its neighbours."""
    line = strokes.down if block.goes_on else " "
    return (" " * block.axis + line).ljust(block.width)


def _rail(axes: list[int], axis: int, width: int, strokes: Strokes, above: bool) -> str:
    """The horizontal line that connects `axis` on one side with `axes` on the other side."""
    points = sorted({*axes, axis})
    row = list(" " * width)
    for column in range(points[0], points[-1] + 1):
        row[column] = strokes.across
    for column in points:
        on_axis, on_branch = column == axis, column in axes
        up, down = (on_axis, on_branch) if above else (on_branch, on_axis)
        row[column] = _corner(up, down, column > points[0], column < points[-1], strokes)
    return "".join(row)


def _corner(up: bool, down: bool, left: bool, right: bool, strokes: Strokes) -> str:
    if up and down:
        return strokes.cross if left or right else strokes.down
    if down:
        return strokes.tee_down if left and right else strokes.top_right if left else strokes.top_left
    return strokes.tee_up if left and right else strokes.bottom_right if left else strokes.bottom_left


def _put(line: str, column: int, character: str) -> str:
    return line[:column] + character + line[column + 1 :]
