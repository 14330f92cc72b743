"""R objects that only R can use: models, functions, environments ... Python passes them on, whole."""

from __future__ import annotations

from typing import Any

from . import node as r
from .node import Node

__all__ = ["RObject"]


class RObject:
    """An object of R, kept as it is: assigned to another artifact it comes back identical() in R.

    `rclass` are its classes. The elements of one that is made of a list (most models) can be looked at by name:
    fit["coefficients"]; `value` is what it would be without its class."""

    __slots__ = ("_node",)

    def __init__(self, node: Node) -> None:
        self._node = node

    @property
    def node(self) -> Node:
        return self._node

    @property
    def rclass(self) -> list[str]:
        return implicit_class(self._node)

    @property
    def attributes(self) -> dict[str, Any]:
        from .from_r import python_value

        found = self._node.attributes
        return {} if found is None else {name: python_value(value) for name, value in found.pairs()}

    @property
    def value(self) -> Any:
        """The bare value, as Python sees it; TypeError for what is nothing but R's."""
        from .from_r import python_value

        node = self._node
        if node.type not in (r.LOGICAL, r.INTEGER, r.DOUBLE, r.COMPLEX, r.STRING, r.LIST, r.RAW):
            raise TypeError(f"{self!r} has no value outside of R")
        return python_value(bare(node))

    def keys(self) -> list[str]:
        names = self._node.attribute("names") if self._node.type == r.LIST else None
        return [] if names is None else [name or "" for name in names.texts()]

    def __getitem__(self, key: Any) -> Any:
        from .from_r import python_value

        if self._node.type != r.LIST:
            raise TypeError(f"{self!r} has no elements that Python can see")
        if isinstance(key, int):
            return python_value(self._node.value[key])
        names = self.keys()
        if key not in names:
            raise KeyError(key)
        return python_value(self._node.value[names.index(key)])

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __repr__(self) -> str:
        return f"<R object of class {'/'.join(self.rclass)}>"

    def __reduce__(self) -> Any:
        from .writer import write

        return _from_bytes, (b"".join(bytes(piece) for piece in write(self._node)),)


def _from_bytes(data: bytes) -> RObject:
    from .reader import read

    return RObject(read(data)[0])


def bare(node: Node) -> Node:
    """A vector or list with nothing but its names."""
    from .build import attributed

    names = node.attribute("names")
    plain = Node(node.type, node.type, node.value, None, node.length, node.encoding)
    return plain if names is None else attributed(plain, {"names": names})


def implicit_class(node: Node) -> list[str]:
    """What class(x) says in R."""
    found: list[str] | None = node.classes()
    if found:
        return found
    if node.type == r.ALTREP:
        from .altrep import expanded

        plain = expanded(node)
        return ["numeric"] if plain is None else implicit_class(plain)
    dim = node.attribute("dim")
    if dim is not None:
        return ["matrix", "array"] if dim.length == 2 else ["array"]
    if node.type == r.SYMBOL:
        return ["name"]
    return [r.TYPE_NAMES.get(node.type, "unknown")]
