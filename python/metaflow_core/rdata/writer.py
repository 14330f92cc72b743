"""Writes nodes in R's serialization format, version 3, in the byte order of this machine, as R's workers do."""

from __future__ import annotations

import struct
from typing import Any

from . import node as r
from .node import Node
from .recursion import deep

__all__ = ["write"]

_LARGE = 1 << 16
_INT = struct.Struct("=i")
_WRITTEN_BY, _READABLE_BY = 0x00040000, 0x00030500
_HEADER = b"B\n" + struct.pack("=iiii5s", 3, _WRITTEN_BY, _READABLE_BY, 5, b"UTF-8")


def write(root: Node) -> list[Any]:
    """The pieces (bytes-like) of the serialized object, to be written one after the other."""
    writer = _Writer()
    with deep():
        writer.item(root)
    writer.close()
    return writer.pieces


class _Writer:
    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self._small = bytearray(_HEADER)
        # By identity: nodes that are referred to several times in an object are one node.
        self._references: dict[int, int] = {}

    def close(self) -> None:
        if self._small:
            self.pieces.append(bytes(self._small))
            self._small = bytearray()

    def integer(self, number: int) -> None:
        self._small += _INT.pack(number)

    def raw(self, data: Any) -> None:
        if len(data) > _LARGE:
            self.close()
            self.pieces.append(data)
        else:
            self._small += data

    def length(self, count: int) -> None:
        if count < 1 << 31:
            self.integer(count)
        else:
            self.integer(-1)
            self._small += struct.pack("=II", count >> 32, count & 0xFFFFFFFF)

    def item(self, node: Node) -> None:
        type = node.type
        known = self._references.get(id(node))
        if known is not None:
            self.integer(known << 8 | r.REFERENCE)
            return
        if type in (r.SYMBOL, r.ENVIRONMENT, r.EXTPTR, r.WEAKREF, r.PERSIST, r.PACKAGE, r.NAMESPACE):
            self._references[id(node)] = len(self._references) + 1
        if type in (r.PAIRLIST, r.LANGUAGE, r.DOTS, r.CLOSURE, r.PROMISE):
            self.chain(node)
            return
        self.integer(node.flags)
        if type in (r.LOGICAL, r.INTEGER, r.DOUBLE, r.COMPLEX, r.STRING, r.RAW):
            self.length(node.length)
            self.raw(node.value)
        elif type in (r.LIST, r.EXPRESSION):
            self.length(node.length)
            for element in node.value:
                self.item(element)
        elif type == r.CHAR:
            self.integer(-1 if node.value is None else len(node.value))
            self.raw(node.value or b"")
        elif type == r.SYMBOL:
            self.item(node.value)
        elif type in (r.SPECIAL, r.BUILTIN):
            self.integer(len(node.value))
            self.raw(node.value)
        elif node.value is not None:
            self.tokens(node.value)
        if type not in (r.ENVIRONMENT, r.SYMBOL) and node.attributes is not None:
            self.item(node.attributes)

    def tokens(self, tokens: list[Any]) -> None:
        for token in tokens:
            if isinstance(token, int):
                self.integer(token)
            else:
                self.item(token)

    def chain(self, node: Node) -> None:
        cells, tail = node.value
        for cell in cells:
            self.integer(cell.flags)
            if cell.attributes is not None:
                self.item(cell.attributes)
            if cell.tag is not None:
                self.item(cell.tag)
            self.item(cell.value)
        self.item(tail)
