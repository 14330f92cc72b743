"""Vectors that R stores as the rule to compute them (1:10) or as another vector in disguise: made plain."""

from __future__ import annotations

from array import array
from typing import Any

from . import node as r
from .build import character, integers, numeric
from .missing import NA_INTEGER_BITS, is_na_real
from .node import Node
from .number_text import number_text

__all__ = ["expanded"]


def expanded(node: Node) -> Node | None:
    """The vector with its elements; None for a kind that is not known here (vectors that live in a file)."""
    information, state, attributes = node.value
    name = next(value for _, value in information.pairs()).text()
    plain = _plain(name, state)
    if plain is None or attributes.is_null:
        return plain
    flags = plain.flags | r.HAS_ATTRIBUTES | node.flags & ~0xFF
    return Node(plain.type, flags, plain.value, attributes, plain.length, plain.encoding)


def _plain(name: str, state: Node) -> Node | None:
    if name in ("compact_intseq", "compact_realseq"):
        count, first, by = state.numbers()
        steps = range(int(count))
        if name == "compact_intseq":
            return integers(array("i", [int(first + by * i) for i in steps]))
        return numeric(array("d", [first + by * i for i in steps]))
    if name == "deferred_string" and state.type == r.PAIRLIST:
        cells, scipen = state.value
        return character(_texts(plain_vector(cells[0].value), scipen))
    if name.startswith("wrap_"):
        return plain_vector(state.value[0] if state.type == r.LIST else state.value[0][0].value)
    return None


def plain_vector(node: Node) -> Node:
    return (expanded(node) or node) if node.type == r.ALTREP else node


def _texts(numbers: Node, scipen: Any) -> list[str | None]:
    values = numbers.numbers()
    if numbers.type in (r.INTEGER, r.LOGICAL):
        return [None if value == NA_INTEGER_BITS else str(value) for value in values]
    width = scipen.numbers()[0] if scipen.type == r.INTEGER and scipen.length else 0
    return [None if is_na_real(value) else number_text(value, width) for value in values]
