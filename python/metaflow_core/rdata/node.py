"""An R object as the serializer writes it: a tree of nodes that can be written again, byte for byte.

Source: R's own serialization format, version 3 (R Internals, section 1.8), of which every type is kept, also those that
have no meaning outside of R. A node is never changed after it was made.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator
from typing import Any

__all__ = [
    "ALTREP",
    "BASEENV",
    "BASENAMESPACE",
    "BCODE",
    "BUILTIN",
    "CHAR",
    "CLOSURE",
    "COMPLEX",
    "DOTS",
    "DOUBLE",
    "EMPTYENV",
    "ENVIRONMENT",
    "EXPRESSION",
    "EXTPTR",
    "GLOBALENV",
    "HAS_ATTRIBUTES",
    "HAS_TAG",
    "INTEGER",
    "IS_OBJECT",
    "LANGUAGE",
    "LIST",
    "LOGICAL",
    "MISSINGARG",
    "NAMESPACE",
    "NIL",
    "NULL_TYPE",
    "PACKAGE",
    "PAIRLIST",
    "PERSIST",
    "PROMISE",
    "RAW",
    "REFERENCE",
    "S4",
    "SPECIAL",
    "STRING",
    "SYMBOL",
    "TYPE_NAMES",
    "UNBOUND",
    "WEAKREF",
    "Cell",
    "Node",
]

NULL_TYPE, SYMBOL, PAIRLIST, CLOSURE, ENVIRONMENT, PROMISE, LANGUAGE, SPECIAL, BUILTIN, CHAR = range(10)
LOGICAL, INTEGER, DOUBLE, COMPLEX, STRING, DOTS = 10, 13, 14, 15, 16, 17
LIST, EXPRESSION, BCODE, EXTPTR, WEAKREF, RAW, S4 = 19, 20, 21, 22, 23, 24, 25
ALTREP = 238
BASEENV, EMPTYENV = 241, 242
PERSIST, PACKAGE, NAMESPACE, BASENAMESPACE = 247, 248, 249, 250
MISSINGARG, UNBOUND, GLOBALENV, NIL, REFERENCE = 251, 252, 253, 254, 255

IS_OBJECT, HAS_ATTRIBUTES, HAS_TAG = 1 << 8, 1 << 9, 1 << 10

TYPE_NAMES = {
    NULL_TYPE: "NULL",
    NIL: "NULL",
    SYMBOL: "symbol",
    PAIRLIST: "pairlist",
    CLOSURE: "function",
    ENVIRONMENT: "environment",
    PROMISE: "promise",
    LANGUAGE: "call",
    SPECIAL: "function",
    BUILTIN: "function",
    LOGICAL: "logical",
    INTEGER: "integer",
    DOUBLE: "numeric",
    COMPLEX: "complex",
    STRING: "character",
    DOTS: "...",
    LIST: "list",
    EXPRESSION: "expression",
    BCODE: "bytecode",
    EXTPTR: "externalptr",
    WEAKREF: "weakref",
    RAW: "raw",
    S4: "S4",
    GLOBALENV: "environment",
    BASEENV: "environment",
    EMPTYENV: "environment",
    NAMESPACE: "environment",
    PACKAGE: "environment",
    BASENAMESPACE: "environment",
    PERSIST: "environment",
}

_CODES = {LOGICAL: "i", INTEGER: "i", DOUBLE: "d", COMPLEX: "d"}


class Cell:
    """One cell of a pairlist or call: (flags, attributes, tag, value)."""

    __slots__ = ("attributes", "flags", "tag", "value")

    def __init__(self, flags: int, attributes: Node | None, tag: Node | None, value: Node) -> None:
        self.flags = flags
        self.attributes = attributes
        self.tag = tag
        self.value = value


class Node:
    """`type` is R's type number, `flags` the word that the object begins with. `value` by type:

    logical, integer, double, complex  memoryview of the numbers in the byte order of this machine
    raw                                memoryview
    character                          memoryview of the elements as they are serialized: flags, length and bytes
    list, expression                   list of nodes
    pairlist, call, closure, promise   (list of cells, tail node)
    symbol                             the node of its name
    everything else                    list of integers and nodes, in the order in which they are written

    `length` counts elements; `attributes` is a pairlist or None. `encoding` is that of unmarked texts.
    """

    __slots__ = ("attributes", "encoding", "flags", "length", "type", "value")

    def __init__(
        self,
        type: int,
        flags: int,
        value: Any = None,
        attributes: Node | None = None,
        length: int = 0,
        encoding: str = "utf-8",
    ) -> None:
        self.type = type
        self.flags = flags
        self.value = value
        self.attributes = attributes
        self.length = length
        self.encoding = encoding

    @property
    def is_null(self) -> bool:
        return self.type in (NIL, NULL_TYPE)

    @property
    def is_s4(self) -> bool:
        return bool(self.flags >> 12 & 1 << 4) and self.type not in (CHAR, SYMBOL)

    def numbers(self) -> array:
        """The elements of a logical, integer, double or complex vector (there two numbers for each)."""
        found = array(_CODES[self.type])
        found.frombytes(self.value)
        return found

    def texts(self) -> list[str | None]:
        """The elements of a character vector; NA is None. Bytes that are no text in their encoding are escaped."""
        found: list[str | None] = []
        raw, position, order = bytes(self.value), 0, sys.byteorder
        known: dict[bytes, str] = {}
        number = int.from_bytes
        for _ in range(self.length):
            size = number(raw[position + 4 : position + 8], order, signed=True)
            if size < 0:
                found.append(None)
                position += 8
                continue
            data = raw[position : position + 8 + size]
            text = known.get(data)
            if text is None:
                text = known[data] = decoded(data[8:], number(data[:4], order) >> 12, self.encoding)
            found.append(text)
            position += 8 + size
        return found

    def text(self) -> str:
        """The only element of a character vector, or the name of a symbol."""
        if self.type == SYMBOL:
            return self.value.text()
        if self.type == CHAR:
            return decoded(bytes(self.value), self.flags >> 12, self.encoding)
        return self.texts()[0] or ""

    def pairs(self) -> Iterator[tuple[str, Node]]:
        """(tag, value) of each cell of a pairlist."""
        if self.type == PAIRLIST:
            for cell in self.value[0]:
                yield ("" if cell.tag is None else cell.tag.text()), cell.value

    def attribute(self, name: str) -> Node | None:
        if self.attributes is not None:
            for tag, value in self.attributes.pairs():
                if tag == name:
                    return value if value.type != ALTREP else _plain(value)
        return None

    def attribute_names(self) -> tuple[str, ...]:
        return () if self.attributes is None else tuple(tag for tag, _ in self.attributes.pairs())

    def classes(self) -> list[str]:
        """The class attribute; empty for what has none."""
        found = self.attribute("class")
        return [text or "NA" for text in found.texts()] if found is not None and found.type == STRING else []


def _plain(node: Node) -> Node:
    from .altrep import plain_vector  # which makes nodes

    return plain_vector(node)


def decoded(data: bytes, levels: int, encoding: str) -> str:
    if levels & 0b1000 or levels & 0b1000000:  # marked as UTF-8, or ASCII
        return data.decode("utf-8", "surrogateescape")
    if levels & 0b100:
        return data.decode("latin-1")
    return data.decode(encoding, "surrogateescape")
