"""Are two R objects identical()? As R does, also when one of them is stored as the rule to compute it."""

from __future__ import annotations

from . import node as r
from .altrep import plain_vector
from .node import Node
from .writer import write

__all__ = ["same"]

_VECTORS = (r.LOGICAL, r.INTEGER, r.DOUBLE, r.COMPLEX, r.RAW)


def same(one: Node, other: Node) -> bool:
    one, other = plain_vector(one), plain_vector(other)
    if one is other:
        return True
    if one.type != other.type or one.length != other.length or (one.flags ^ other.flags) & r.IS_OBJECT:
        return False
    if one.type in _VECTORS:
        if one.value != other.value:
            return False
    elif one.type == r.STRING:
        if one.value != other.value and one.texts() != other.texts():
            return False
    elif one.type in (r.LIST, r.EXPRESSION):
        if not all(map(same, one.value, other.value)):
            return False
    else:
        return _bytes(one) == _bytes(other)
    return _same_attributes(one, other)


def _same_attributes(one: Node, other: Node) -> bool:
    first = {} if one.attributes is None else dict(one.attributes.pairs())
    second = {} if other.attributes is None else dict(other.attributes.pairs())
    return first.keys() == second.keys() and all(same(value, second[name]) for name, value in first.items())


def _bytes(node: Node) -> bytes:
    return b"".join(bytes(piece) for piece in write(node))
