"""The bytes of an artifact that Python makes, and back.

They are an R object as R's own serializer writes it, so R reads them without any Python. Where Python would not read
the same value from it (a tuple, a list of one number, an array of NumPy), a note follows, which R does not look at and
Python rebuilds the value by:

    R object | note | length of the note, 8 bytes | MAGIC

A note is a recipe in JSON ("R" in front) where the R object has all the data, else the pickled value ("P" in front).
"""

from __future__ import annotations

import json
import struct
from typing import Any, NamedTuple

from . import node as r
from .node import Node
from .opaque import implicit_class
from .reader import read
from .recursion import deep
from .to_r import convert
from .writer import write

__all__ = ["Encoded", "decode", "encode", "encode_node", "note_of"]

MAGIC = b"\x00mf-py\x01\n"
_LENGTH = struct.Struct("<Q")


class Encoded(NamedTuple):
    """`pieces` are written one after the other, `size` bytes in all. `about`: class, dim and length of the R value."""

    pieces: list[Any]
    size: int
    about: dict[str, Any]


def encode(value: Any) -> Encoded:
    """Unstorable when the value cannot be kept."""
    with deep():
        node, exact = convert(value)
        return encode_node(node, b"" if exact else _note(value))


def encode_node(node: Node, note: bytes = b"") -> Encoded:
    pieces = write(node)
    if note:
        pieces.append(note + _LENGTH.pack(len(note)) + MAGIC)
    return Encoded(pieces, sum(len(piece) for piece in pieces), _about(node))


def decode(data: Any) -> Any:
    """The Python value of an artifact. `data` must not change as long as the value is used."""
    node, end = read(data)
    note = note_of(data, end)
    if note is None:
        from .from_r import python_value

        with deep():
            return python_value(node)
    if note[:1] == b"R":
        return _follow(json.loads(note[1:]), node)
    from .pickled import unpickle_bytes

    return unpickle_bytes(note[1:])


def note_of(data: Any, end: int) -> bytes | None:
    """The note behind the R object that ends at `end`."""
    view = memoryview(data).cast("B")
    tail = _LENGTH.size + len(MAGIC)
    if len(view) < end + tail or bytes(view[-len(MAGIC) :]) != MAGIC:
        return None
    (length,) = _LENGTH.unpack_from(view, len(view) - tail)
    return bytes(view[end : end + length]) if end + length + tail == len(view) else None


def _note(value: Any) -> bytes:
    recipe = _recipe(value)
    if recipe is not None:
        return b"R" + json.dumps(recipe, separators=(",", ":")).encode()
    from .pickled import pickle_bytes

    return b"P" + pickle_bytes(value)


def _recipe(value: Any) -> dict[str, Any] | None:
    library = (type(value).__module__ or "").partition(".")[0]
    if library == "numpy":
        from .arrays import array_recipe

        return array_recipe(value)
    if library in ("pandas", "pyarrow"):
        from .tables import table_recipe

        return table_recipe(value)
    return None


def _follow(recipe: dict[str, Any], node: Node) -> Any:
    if recipe["made"] == "numpy":
        from .arrays import from_recipe

        return from_recipe(node, recipe)
    from .tables import from_recipe as table_from_recipe

    return table_from_recipe(node, recipe)


def _about(node: Node) -> dict[str, Any]:
    classes = implicit_class(node)
    about: dict[str, Any] = {"class": classes, "length": node.length}
    dim = node.attribute("dim")
    if dim is not None:
        about["dim"] = [int(size) for size in dim.numbers()]
    elif "data.frame" in classes and node.type == r.LIST:
        from .frame import RDataFrame

        about["dim"] = list(RDataFrame.of(node).shape)
    return about
