"""Makes nodes: vectors, lists, attributes."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import node as r
from .missing import NA_INTEGER_BITS
from .node import Cell, Node

__all__ = [
    "NULL",
    "attributed",
    "character",
    "complexes",
    "generic",
    "integers",
    "logicals",
    "numeric",
    "raw_bytes",
    "symbol",
]

NULL = Node(r.NIL, r.NIL)
_CACHED_ASCII, _UTF8, _PLAIN = (1 << 6) << 12 | r.CHAR, (1 << 3) << 12 | r.CHAR, r.CHAR
_HEAD = struct.Struct("=ii")
_NA_TEXT = _HEAD.pack(_PLAIN, -1)


def _vector(type: int, values: Any, length: int) -> Node:
    return Node(type, type, memoryview(values).cast("B"), length=length)


def numeric(values: Iterable[float]) -> Node:
    values = values if isinstance(values, array) else array("d", values)
    return _vector(r.DOUBLE, values, len(values))


def integers(values: Iterable[int | None]) -> Node:
    if not isinstance(values, array):
        values = array("i", [NA_INTEGER_BITS if value is None else value for value in values])
    return _vector(r.INTEGER, values, len(values))


def logicals(values: Iterable[bool | None]) -> Node:
    values = array("i", [NA_INTEGER_BITS if value is None else int(value) for value in values])
    return _vector(r.LOGICAL, values, len(values))


def complexes(values: Sequence[complex]) -> Node:
    parts = array("d", [part for value in values for part in (value.real, value.imag)])
    return _vector(r.COMPLEX, parts, len(values))


def raw_bytes(data: Any) -> Node:
    view = memoryview(data).cast("B")
    return Node(r.RAW, r.RAW, view, length=len(view))


def character(values: Iterable[str | None]) -> Node:
    parts: list[bytes] = []
    known: dict[str, bytes] = {}
    count = 0
    for value in values:
        count += 1
        if value is None:
            parts.append(_NA_TEXT)
            continue
        done = known.get(value)
        if done is None:
            data = value.encode("utf-8", "surrogateescape")
            done = known[value] = _HEAD.pack(_CACHED_ASCII if value.isascii() else _UTF8, len(data)) + data
        parts.append(done)
    return Node(r.STRING, r.STRING, memoryview(b"".join(parts)), length=count)


def generic(elements: Sequence[Node]) -> Node:
    """A list of R objects."""
    return Node(r.LIST, r.LIST, list(elements), length=len(elements))


def symbol(name: str) -> Node:
    data = name.encode("utf-8")
    return Node(r.SYMBOL, r.SYMBOL, Node(r.CHAR, _CACHED_ASCII if name.isascii() else _UTF8, memoryview(data)))


def attributed(node: Node, attributes: Mapping[str, Node]) -> Node:
    """A copy of a vector or list with these attributes, in this order. One symbol for each name in a value would be
    enough; R reads two just as well."""
    if not attributes:
        return node
    cells = [Cell(r.PAIRLIST | r.HAS_TAG, None, symbol(name), value) for name, value in attributes.items()]
    chain = Node(r.PAIRLIST, cells[0].flags, (cells, NULL), length=len(cells))
    flags = node.type | r.HAS_ATTRIBUTES | (r.IS_OBJECT if "class" in attributes else 0)
    return Node(node.type, flags, node.value, chain, node.length, node.encoding)
