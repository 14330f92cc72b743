"""Reads R's serialization format, versions 2 and 3, native and XDR, into nodes."""

from __future__ import annotations

import codecs
import struct
import sys
from array import array
from typing import Any

from . import node as r
from .errors import UnreadableR
from .node import Cell, Node
from .recursion import deep

__all__ = ["read"]

_CHAIN = (r.PAIRLIST, r.LANGUAGE, r.DOTS, r.CLOSURE, r.PROMISE)
_NUMBERS = {r.LOGICAL: 4, r.INTEGER: 4, r.DOUBLE: 8, r.COMPLEX: 16}
_NAMED = (r.PERSIST, r.PACKAGE, r.NAMESPACE)
_CONSTANT = (r.NIL, r.GLOBALENV, r.UNBOUND, r.MISSINGARG, r.BASENAMESPACE, r.EMPTYENV, r.BASEENV, r.NULL_TYPE)
_ATTRLANG, _ATTRLIST, _BCREPDEF, _BCREPREF = 240, 239, 244, 243


def read(data: Any) -> tuple[Node, int]:
    """The object at the beginning of `data` (bytes-like), and where it ends. UnreadableR when it is not one.

    Nodes of large vectors look into `data`, which must not change."""
    view = memoryview(data).cast("B")
    if bytes(view[:2]) not in (b"B\n", b"X\n"):
        raise UnreadableR("these bytes are not an R object in binary serialization")
    order = sys.byteorder if bytes(view[:2]) == b"B\n" else "big"
    reader = _Reader(view, order)
    try:
        reader.header()
        with deep():
            return reader.item(), reader.position
    except (struct.error, IndexError, ValueError) as problem:
        raise UnreadableR(f"the R object is damaged at byte {reader.position}: {problem}") from problem
    except RecursionError as problem:
        raise UnreadableR("the R object is nested too deeply to be read by Python") from problem


class _Reader:
    def __init__(self, view: memoryview, order: str) -> None:
        self.view = view
        self.swap = order != sys.byteorder
        self._type_at = 0 if order == "little" else 3
        self.position = 2
        self.encoding = "utf-8"
        self.references: list[Node] = []
        self._int = struct.Struct("<i" if order == "little" else ">i").unpack_from

    def header(self) -> None:
        version = self.integer()
        self.integer()
        self.integer()
        if version == 3:
            name = bytes(self.take(self.integer())).decode("ascii", "replace")
            try:
                self.encoding = codecs.lookup(name).name
            except LookupError:
                self.encoding = "utf-8"
        elif version != 2:
            raise UnreadableR(f"the R object is serialized in version {version}; versions 2 and 3 can be read")

    def integer(self) -> int:
        position = self.position
        self.position = position + 4
        return self._int(self.view, position)[0]

    def take(self, size: int) -> memoryview:
        begin, end = self.position, self.position + size
        if size < 0 or end > len(self.view):
            raise ValueError(f"{size} bytes are announced, {len(self.view) - begin} are left")
        self.position = end
        return self.view[begin:end]

    def length(self) -> int:
        length = self.integer()
        if length == -1:
            upper, lower = self.integer() & 0xFFFFFFFF, self.integer() & 0xFFFFFFFF
            length = (upper << 32) + lower
        return length

    # -- items

    def item(self) -> Node:
        flags = self.integer()
        return self.item_of(flags)

    def item_of(self, flags: int) -> Node:
        type = flags & 0xFF
        if type in _CONSTANT:
            return Node(type, flags)
        if type == r.REFERENCE:
            return self.references[(flags >> 8 or self.integer()) - 1]
        if type in _CHAIN:
            return self.chain(flags)
        if type == r.SYMBOL:
            return self.remember(Node(type, flags, self.item()))
        if type == r.ENVIRONMENT:
            return self.environment(flags)
        if type in _NAMED:
            return self.remember(self.named(flags))
        if type == r.ALTREP:
            return Node(type, flags, [self.item(), self.item(), self.item()])
        return self.with_attributes(self.plain(type, flags))

    def remember(self, node: Node) -> Node:
        self.references.append(node)
        return node

    def with_attributes(self, node: Node) -> Node:
        if node.flags & r.HAS_ATTRIBUTES and node.type not in (r.CHAR, r.SPECIAL, r.BUILTIN):
            node.attributes = self.item()
        return node

    def plain(self, type: int, flags: int) -> Node:
        if type in _NUMBERS:
            length = self.length()
            return Node(type, flags, self.numbers(type, length), length=length)
        if type == r.STRING:
            length = self.length()
            return Node(type, flags, self.texts(length), length=length, encoding=self.encoding)
        if type in (r.LIST, r.EXPRESSION):
            length = self.length()
            if length > len(self.view):
                raise ValueError(f"a list of {length} elements is announced")
            return Node(type, flags, [self.item() for _ in range(length)], length=length)
        if type == r.RAW:
            length = self.length()
            return Node(type, flags, self.take(length), length=length)
        if type == r.CHAR:
            size = self.integer()
            return Node(type, flags, None if size == -1 else self.take(size), encoding=self.encoding)
        if type == r.S4:
            return Node(type, flags, [])
        if type in (r.SPECIAL, r.BUILTIN):
            return Node(type, flags, self.take(self.integer()))
        if type == r.EXTPTR:
            node = self.remember(Node(type, flags))
            node.value = [self.item(), self.item()]
            return node
        if type == r.WEAKREF:
            return self.remember(Node(type, flags, []))
        if type == r.BCODE:
            tokens: list[int | Node] = [self.integer()]
            self.bytecode(tokens)
            return Node(type, flags, tokens)
        raise UnreadableR(f"the R object has a part of unknown type {type}")

    def numbers(self, type: int, length: int) -> memoryview:
        raw = self.take(length * _NUMBERS[type])
        if not self.swap:
            return raw
        swapped = array("i" if _NUMBERS[type] == 4 else "d")
        swapped.frombytes(raw)
        swapped.byteswap()
        return memoryview(swapped).cast("B")

    def texts(self, length: int) -> memoryview:
        """The bytes of so many texts, in the byte order of this machine."""
        begin = self.position
        position, view, integer, size, low = begin, self.view, self._int, len(self.view), self._type_at
        lengths = []
        for _ in range(length):
            if view[position + low] != r.CHAR:
                raise ValueError("a text is expected")
            count = integer(view, position + 4)[0]
            position += 8 + (count if count > 0 else 0)
            if self.swap:
                lengths.append(count)
        if position > size:
            raise ValueError("a text is longer than what is left")
        self.position = position
        if not self.swap:
            return view[begin:position]
        parts, position = [], begin
        native = struct.Struct("=ii")
        for count in lengths:
            flags = integer(view, position)[0]
            parts += [native.pack(flags, count), bytes(view[position + 8 : position + 8 + max(count, 0)])]
            position += 8 + max(count, 0)
        return memoryview(b"".join(parts))

    def chain(self, flags: int) -> Node:
        """Pairlists, calls and functions: cells, one after the other, and what follows the last one."""
        first = flags
        cells = []
        while True:
            attributes = self.item() if flags & r.HAS_ATTRIBUTES else None
            tag = self.item() if flags & r.HAS_TAG else None
            cells.append(Cell(flags, attributes, tag, self.item()))
            flags = self.integer()
            if flags & 0xFF not in _CHAIN:
                break
        return Node(first & 0xFF, first, (cells, self.item_of(flags)), cells[0].attributes, length=len(cells))

    def environment(self, flags: int) -> Node:
        node = self.remember(Node(r.ENVIRONMENT, flags))
        locked = self.integer()
        node.value = [locked, self.item(), self.item(), self.item(), self.item()]
        attributes = node.value[4]
        node.attributes = None if attributes.is_null else attributes
        return node

    def named(self, flags: int) -> Node:
        tokens: list[int | Node] = [self.integer()]
        length = self.integer()
        tokens.append(length)
        tokens += [self.item() for _ in range(length)]
        return Node(flags & 0xFF, flags, tokens)

    # -- compiled functions

    def bytecode(self, tokens: list[int | Node]) -> None:
        tokens.append(self.item())
        count = self.integer()
        tokens.append(count)
        for _ in range(count):
            type = self.integer()
            tokens.append(type)
            if type == r.BCODE:
                self.bytecode(tokens)
            elif type in (r.LANGUAGE, r.PAIRLIST, _BCREPDEF, _BCREPREF, _ATTRLANG, _ATTRLIST):
                self.bytecode_language(type, tokens)
            else:
                tokens.append(self.item())

    def bytecode_language(self, type: int, tokens: list[int | Node]) -> None:
        while True:
            if type == _BCREPREF:
                tokens.append(self.integer())
                return
            if type not in (_BCREPDEF, r.LANGUAGE, r.PAIRLIST, _ATTRLANG, _ATTRLIST):
                tokens.append(self.item())
                return
            if type == _BCREPDEF:
                tokens.append(self.integer())
                type = self.integer()
                tokens.append(type)
            if type in (_ATTRLANG, _ATTRLIST):
                tokens.append(self.item())
            tokens.append(self.item())
            first = self.integer()
            tokens.append(first)
            self.bytecode_language(first, tokens)
            type = self.integer()
            tokens.append(type)
