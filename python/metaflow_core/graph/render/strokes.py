"""The characters that lines and boxes are made of, in both sets."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ASCII", "UNICODE", "Strokes"]


class Strokes(NamedTuple):
    across: str
    down: str
    top_left: str
    top_right: str
    bottom_left: str
    bottom_right: str
    tee_down: str  # a line across with one going down
    tee_up: str
    cross: str
    arrow_down: str
    arrow_right: str
    arrow_split: str
    again: str


UNICODE = Strokes("─", "│", "┌", "┐", "└", "┘", "┬", "┴", "┼", "▼", "→", "⇉", "↺")
ASCII = Strokes("-", "|", "+", "+", "+", "+", "+", "+", "+", "v", "->", "=>", "@")
