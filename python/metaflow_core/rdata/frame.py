"""A data frame of R in Python: columns by name, read when they are asked for, converted to what one likes to use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import build
from . import node as r
from .altrep import plain_vector
from .missing import NA_INTEGER_BITS
from .node import Node

__all__ = ["RDataFrame"]


class RDataFrame:
    """`frame["x"]` is a list, missing values are None; `frame.to_pandas()`, `frame.to_arrow()`; libraries that speak
    Arrow take it as it is: polars.from_arrow(frame), pyarrow.table(frame).

    It does not change. To make one without any library: RDataFrame({"x": [1, 2], "y": ["a", None]}). Assigned to an
    artifact it is a data.frame in R (a tibble or data.table where it came from one)."""

    __slots__ = ("_node",)

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        from .to_r import Conversion

        conversion = Conversion()
        lengths = {len(values) for values in columns.values()}
        if len(lengths) > 1:
            raise ValueError(f"the columns of a data frame are equally long, not {sorted(lengths)}")
        nodes = [_column(conversion, values) for values in columns.values()]
        self._node = frame_node(list(columns), nodes, lengths.pop() if lengths else 0)

    @classmethod
    def of(cls, node: Node) -> RDataFrame:
        made = cls.__new__(cls)
        made._node = node
        return made

    @property
    def node(self) -> Node:
        return self._node

    @property
    def columns(self) -> list[str]:
        names = self._node.attribute("names")
        return [] if names is None else [name if name is not None else "NA" for name in names.texts()]

    @property
    def row_names(self) -> list[str] | None:
        """None when the rows are only numbered."""
        names = self._node.attribute("row.names")
        if names is None:
            return None
        names = plain_vector(names)
        return [name or "NA" for name in names.texts()] if names.type == r.STRING else None

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self._node.length

    @property
    def rclass(self) -> list[str]:
        return self._node.classes()

    def keys(self) -> list[str]:
        return self.columns

    def column_node(self, name: str) -> Node:
        columns = self.columns
        if name not in columns:
            from ..nearest import did_you_mean

            raise KeyError(f"no column '{name}'. {did_you_mean(name, columns)}".strip())
        return self._node.value[columns.index(name)]

    def __getitem__(self, name: str) -> list[Any]:
        from .from_r import column_values

        if not isinstance(name, str):
            raise TypeError("a column is asked for by its name; to_pandas() and to_arrow() can do more")
        return column_values(self.column_node(name))

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self.columns)

    def __len__(self) -> int:
        """How many rows."""
        names = self._node.attribute("row.names")
        if names is None:
            return plain_vector(self._node.value[0]).length if self._node.length else 0
        names = plain_vector(names)
        if names.type == r.INTEGER and names.length == 2 and names.numbers()[0] == NA_INTEGER_BITS:
            return abs(names.numbers()[1])
        return names.length

    def rows(self) -> Iterator[dict[str, Any]]:
        """One dict for each row."""
        columns = [self[name] for name in self.columns]
        for values in zip(*columns):
            yield dict(zip(self.columns, values))

    def row(self, place: int) -> RDataFrame:
        """The data frame of one row, counted from 0: frame[place + 1, , drop = FALSE] in R."""
        node = self._node
        names = node.attribute("row.names")
        named = self.row_names is not None and names is not None
        own = slice_vector(names, place) if named else build.integers([place + 1])  # type: ignore[arg-type]
        return self._with([slice_vector(column, place) for column in node.value], own)

    def _with(self, columns: list[Node], row_names: Node) -> RDataFrame:
        attributes = dict(self._node.attributes.pairs()) if self._node.attributes is not None else {}
        # What data.table keeps here is of the old rows.
        attributes = {
            name: value for name, value in attributes.items() if name not in (".internal.selfref", "sorted", "index")
        }
        attributes["row.names"] = row_names
        return RDataFrame.of(build.attributed(build.generic(columns), attributes))

    def to_arrow(self) -> Any:
        """A pyarrow.Table. Needs pyarrow."""
        from .tables import to_arrow

        return to_arrow(self)

    def to_pandas(self) -> Any:
        """A pandas.DataFrame. Needs pandas and pyarrow."""
        return self.to_arrow().to_pandas()

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def __eq__(self, other: object) -> bool:
        from .same import same

        return isinstance(other, RDataFrame) and same(self._node, other._node)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"<RDataFrame of {rows} x {columns}: {', '.join(self.columns[:10])}{', ...' if columns > 10 else ''}>"

    def __reduce__(self) -> Any:
        from .opaque import RObject

        return _from_object, (RObject(self._node),)


def _from_object(value: Any) -> RDataFrame:
    return RDataFrame.of(value.node)


def _column(conversion: Any, values: Sequence[Any]) -> Node:
    from .values import RList

    if type(values).__module__.partition(".")[0] in ("numpy", "pandas", "pyarrow"):
        return conversion.node(values)
    return conversion.sequence(list(values)) if type(values) is not RList else conversion.node(values)


def frame_node(names: Sequence[str], columns: Sequence[Node], rows: int, row_names: Node | None = None) -> Node:
    if row_names is None:
        row_names = build.integers([None, -rows]) if rows else build.integers([])
    return build.attributed(
        build.generic(columns),
        {
            "names": build.character(names),
            "class": build.character(["data.frame"]),
            "row.names": row_names,
        },
    )


_WIDTHS = {r.LOGICAL: 4, r.INTEGER: 4, r.DOUBLE: 8, r.COMPLEX: 16, r.RAW: 1}


def slice_vector(node: Node, place: int) -> Node:
    """The vector of one element, with the attributes of the whole that are not about its elements."""
    node = plain_vector(node)
    if node.attribute("dim") is not None or "data.frame" in node.classes():
        raise TypeError("a data frame with a column that is a matrix or a data frame cannot be split by row in Python")
    if node.type in _WIDTHS:
        width = _WIDTHS[node.type]
        value: Any = node.value[place * width : (place + 1) * width]
    elif node.type == r.STRING:
        # Only the text itself is made: its bytes are found by walking along.
        value = _nth_text(node, place)
    else:
        value = node.value[place : place + 1]
    made = Node(node.type, node.type, value, None, 1, node.encoding)
    attributes = (
        {}
        if node.attributes is None
        else {name: slice_vector(value, place) if name == "names" else value for name, value in node.attributes.pairs()}
    )
    sliced = build.attributed(made, attributes)
    return (
        Node(sliced.type, sliced.flags | node.flags & ~0xFF, value, sliced.attributes, 1, node.encoding)
        if attributes
        else made
    )


def _nth_text(node: Node, place: int) -> memoryview:
    import struct

    head = struct.Struct("=ii")
    position = 0
    for _ in range(place):
        position += 8 + max(head.unpack_from(node.value, position)[1], 0)
    size = max(head.unpack_from(node.value, position)[1], 0)
    return node.value[position : position + 8 + size]
