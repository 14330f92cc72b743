"""Tables of pyarrow and pandas, and data frames of R. Everything goes by way of Arrow, column by column."""

from __future__ import annotations

import base64
from array import array
from typing import Any

from . import build
from . import node as r
from .altrep import plain_vector
from .errors import Unstorable
from .frame import RDataFrame, frame_node
from .from_r import column_values
from .missing import NA_INTEGER_BITS, NA_REAL_BITS, has_na_real
from .node import Node
from .values import Factor

__all__ = ["from_recipe", "from_table", "table_recipe", "to_arrow"]

_LARGEST = 2**53
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as problem:
        from ..errors import MissingExtra

        raise MissingExtra(
            "tables need the Python package pyarrow",
            hint="install_metaflow() in R installs it, or: pip install pyarrow",
        ) from problem
    return pyarrow


# -- to R


def from_table(conversion: Any, value: Any) -> Node | None:
    """The data.frame of a table, the vector of a column; None for what else these libraries have."""
    library = type(value).__module__.partition(".")[0]
    name = type(value).__name__
    if library == "pandas":
        return _from_pandas(conversion, value, name)
    if library == "polars" and name not in ("DataFrame", "Series"):
        return None
    pyarrow = _pyarrow()
    conversion.exact = False
    if library == "polars":
        return _columns(pyarrow.table(value)) if name == "DataFrame" else _column(value.to_arrow())
    if isinstance(value, pyarrow.Table):
        return _columns(value)
    if isinstance(value, pyarrow.RecordBatch):
        return _columns(pyarrow.Table.from_batches([value]))
    if isinstance(value, (pyarrow.Array, pyarrow.ChunkedArray)):
        return _column(value)
    return None


def _from_pandas(conversion: Any, value: Any, name: str) -> Node | None:
    import pandas

    if value is pandas.NA or value is pandas.NaT:
        conversion.exact = False
        return build.logicals([None])
    if isinstance(value, pandas.Timestamp):
        conversion.exact = False
        return conversion.node(value.to_pydatetime(warn=False))
    if isinstance(value, pandas.Timedelta):
        conversion.exact = False
        return conversion.node(value.to_pytimedelta())
    if isinstance(value, (pandas.Series, pandas.Index)) and not isinstance(value, pandas.MultiIndex):
        conversion.exact = False
        return _pandas_column(value)
    if isinstance(value, pandas.Categorical):
        conversion.exact = False
        return _pandas_column(pandas.Series(value))
    if not isinstance(value, pandas.DataFrame):
        return None
    conversion.exact = False
    names = [column if isinstance(column, str) else str(column) for column in value.columns]
    columns = [_pandas_column(value.iloc[:, place]) for place in range(len(names))]
    row_names = None
    if not isinstance(value.index, pandas.RangeIndex):
        labels = value.index.tolist()
        if all(type(label) is str for label in labels) and len(set(labels)) == len(labels):
            row_names = build.character(labels)
        elif not isinstance(value.index, pandas.MultiIndex) and not (
            value.index.name is None and pandas.api.types.is_integer_dtype(value.index.dtype)
        ):
            # What is more than a number of the row is a column in R.
            names.insert(0, str(value.index.name or "index"))
            columns.insert(0, _pandas_column(value.index))
    return frame_node(names, columns, len(value), row_names)


def _pandas_column(series: Any) -> Node:
    pyarrow = _pyarrow()
    try:
        return _column(pyarrow.Array.from_pandas(series))
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, pyarrow.ArrowNotImplementedError):
        return _objects(series.tolist())


def _columns(table: Any) -> Node:
    return frame_node(table.column_names, [_column(column) for column in table.columns], table.num_rows)


def _column(column: Any) -> Node:
    pyarrow = _pyarrow()
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
        if isinstance(column, pyarrow.ChunkedArray):
            column = pyarrow.concat_arrays(column.chunks) if column.num_chunks else pyarrow.array([], column.type)
    types, kind = pyarrow.types, column.type
    if isinstance(kind, pyarrow.BaseExtensionType):
        return _column(column.storage)
    if types.is_null(kind) or types.is_boolean(kind):
        return build.logicals(column.to_pylist())
    if types.is_integer(kind):
        return _whole(column)
    if types.is_floating(kind):
        return _doubles(column)
    if types.is_string(kind) or types.is_large_string(kind) or str(kind) == "string_view":
        return build.character(_without_nul(column.to_pylist()))
    if types.is_dictionary(kind):
        return _factor(column)
    if types.is_date(kind):
        days = _doubles(column.cast(pyarrow.date32()).cast(pyarrow.int32()))
        return build.attributed(days, {"class": build.character(["Date"])})
    if types.is_timestamp(kind):
        seconds = _scaled(column, _PER_SECOND[kind.unit])
        zone = _zone(kind.tz)
        return build.attributed(
            seconds, {"class": build.character(["POSIXct", "POSIXt"]), "tzone": build.character([zone])}
        )
    if types.is_duration(kind):
        attributes = {"class": build.character(["difftime"]), "units": build.character(["secs"])}
        return build.attributed(_scaled(column, _PER_SECOND[kind.unit]), attributes)
    if types.is_time(kind):
        attributes = {"class": build.character(["hms", "difftime"]), "units": build.character(["secs"])}
        whole = column.cast(pyarrow.int32() if types.is_time32(kind) else pyarrow.int64())
        return build.attributed(_scaled(whole, _PER_SECOND[kind.unit]), attributes)
    if types.is_decimal(kind):
        return _decimals(column.to_pylist())
    return _objects(column.to_pylist())


def _zone(tz: str | None) -> str:
    """As R names it. An offset ("+02:00") has no name in R: the same moments, shown in UTC."""
    return "UTC" if tz is None or tz[:1] in "+-" else tz


def _without_nul(values: list[Any]) -> list[Any]:
    for value in values:
        if value is not None and "\0" in value:
            raise Unstorable("a table has a text with a NUL character, which R cannot hold", hint="Store it as bytes.")
    return values


def _objects(values: list[Any]) -> Node:
    """A column of anything: a vector where its elements make one, else a list."""
    from .to_r import Conversion, common_kind

    values = [None if _is_missing(value) else value for value in values]
    kind = common_kind(values)
    conversion = Conversion()
    if kind is not None:
        return conversion.vector(kind, values)
    return build.generic([conversion.node(value) for value in values])


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or type(value) is float and value != value


def _numbers(column: Any, type: Any, code: str, filler: Any) -> array:
    """The numbers of a column, `filler` where they are missing."""
    if column.null_count:
        column = column.fill_null(filler)
    column = column.cast(type)
    buffer = column.buffers()[1]
    width = 4 if code == "i" else 8
    found = array(code)
    if buffer is not None:
        found.frombytes(memoryview(buffer)[column.offset * width : (column.offset + len(column)) * width])
    return found


def _missing(column: Any) -> list[int]:
    if not column.null_count:
        return []
    return [place for place, valid in enumerate(column.is_valid().to_pylist()) if not valid]


def _with_missing(numbers: array, missing: list[int]) -> Node:
    view = memoryview(numbers).cast("B")
    for place in missing:
        view[place * 8 : place * 8 + 8] = NA_REAL_BITS
    return build.numeric(numbers)


def _doubles(column: Any) -> Node:
    pyarrow = _pyarrow()
    return _with_missing(_numbers(column, pyarrow.float64(), "d", 0), _missing(column))


def _whole(column: Any) -> Node:
    pyarrow = _pyarrow()
    least, most = _range(column)
    if least > NA_INTEGER_BITS and most < 2**31:
        if column.type.bit_width < 32:
            column = column.cast(pyarrow.int32())
        elif column.type != pyarrow.int32():
            column = column.cast(pyarrow.int64())
        return build.integers(_numbers(column, pyarrow.int32(), "i", 0) if not column.null_count else _with_na(column))
    if least >= -_LARGEST and most <= _LARGEST:
        return _doubles(column)
    # More digits than a double has: as text they are all kept, and comparable.
    return build.character([None if value is None else str(value) for value in column.to_pylist()])


def _with_na(column: Any) -> array:
    pyarrow = _pyarrow()
    numbers = _numbers(column, pyarrow.int32(), "i", 0)
    for place in _missing(column):
        numbers[place] = NA_INTEGER_BITS
    return numbers


def _range(column: Any) -> tuple[int, int]:
    import pyarrow.compute

    found = pyarrow.compute.min_max(column).as_py()
    return (found["min"] or 0, found["max"] or 0)


def _scaled(column: Any, per_second: int) -> Node:
    """Whole numbers of a part of a second, as seconds."""
    pyarrow = _pyarrow()
    missing = _missing(column)
    numbers = _numbers(column.cast(pyarrow.int64()), pyarrow.int64(), "q", 0)
    return _with_missing(array("d", [number / per_second for number in numbers]), missing)


def _factor(column: Any) -> Node:
    values = column.dictionary.to_pylist()
    if not all(type(value) is str for value in values) or len(set(values)) != len(values):
        return _column(column.dictionary_decode())
    codes = [None if code is None else code + 1 for code in column.indices.to_pylist()]
    classes = ["ordered", "factor"] if column.type.ordered else ["factor"]
    return build.attributed(
        build.integers(codes), {"levels": build.character(_without_nul(values)), "class": build.character(classes)}
    )


def _decimals(values: list[Any]) -> Node:
    """Numbers where a double says the same in as few digits, else texts."""
    from decimal import Decimal

    if all(value is None or Decimal(repr(float(value))) == value for value in values):
        numbers = array("d", [0.0 if value is None else float(value) for value in values])
        return _with_missing(numbers, [place for place, value in enumerate(values) if value is None])
    return build.character([None if value is None else str(value) for value in values])


# -- from R


def to_arrow(frame: RDataFrame) -> Any:
    pyarrow = _pyarrow()
    columns = []
    for name, node in zip(frame.columns, frame.node.value):
        try:
            columns.append(_arrow_column(node))
        except (pyarrow.ArrowException, TypeError, ValueError, OverflowError) as problem:
            raise TypeError(f"column '{name}' has no counterpart in Arrow: {problem}") from problem
    return pyarrow.Table.from_arrays(columns, names=frame.columns)


def _arrow_column(node: Node) -> Any:
    pyarrow = _pyarrow()
    node = plain_vector(node)
    if node.attribute("dim") is not None:
        raise TypeError("it is a matrix")
    classes = node.classes()
    if not classes and node.type == r.DOUBLE and not has_na_real(node.numbers(), node.value):
        return pyarrow.Array.from_buffers(pyarrow.float64(), node.length, [None, pyarrow.py_buffer(node.value)])
    values = column_values(node)
    if isinstance(values, Factor):
        indices = pyarrow.array(values.codes, pyarrow.int32())
        return pyarrow.DictionaryArray.from_arrays(
            indices, pyarrow.array(values.levels, pyarrow.string()), ordered=values.ordered
        )
    return pyarrow.array(values, _arrow_type(node, classes))


def _arrow_type(node: Node, classes: list[str]) -> Any:
    """None lets pyarrow find out."""
    pyarrow = _pyarrow()
    if classes == ["Date"]:
        return pyarrow.date32()
    if classes == ["POSIXct", "POSIXt"]:
        tzone = node.attribute("tzone")
        name = "" if tzone is None else tzone.text()
        return pyarrow.timestamp("us", tz=name or "UTC")
    if classes == ["difftime"]:
        return pyarrow.duration("us")
    if classes == ["integer64"]:
        return pyarrow.int64()
    known = {
        r.LOGICAL: pyarrow.bool_(),
        r.INTEGER: pyarrow.int32(),
        r.DOUBLE: pyarrow.float64(),
        r.STRING: pyarrow.string(),
    }
    return known.get(node.type)


# -- a data frame that was a table: what Python must know besides


def table_recipe(value: Any) -> dict[str, Any] | None:
    """How to make this table again of the data frame that R has; None when that would lose something."""
    pyarrow = _pyarrow()
    if isinstance(value, pyarrow.Table):
        return _checked(
            {"made": "pyarrow", "schema": _text(value.schema)}, value, lambda made: _same_arrow(made, value)
        )
    if type(value).__module__.partition(".")[0] == "pandas" and type(value).__name__ == "DataFrame":
        import pandas

        if (
            isinstance(value.index, pandas.RangeIndex)
            and value.index.equals(pandas.RangeIndex(len(value)))
            and not value.attrs
        ):
            try:
                schema = pyarrow.Schema.from_pandas(value, preserve_index=False)
            except (pyarrow.ArrowException, TypeError, ValueError):
                return None
            return _checked({"made": "pandas", "schema": _text(schema)}, value, lambda made: _same_pandas(made, value))
    return None


def _checked(recipe: dict[str, Any], value: Any, is_same: Any) -> dict[str, Any] | None:
    """Followed once, because tables have more types than anybody remembers."""
    from .to_r import convert

    try:
        return recipe if is_same(from_recipe(convert(value)[0], recipe)) else None
    except Exception:  # noqa: BLE001 - whatever does not work is pickled
        return None


def _same_arrow(one: Any, other: Any) -> bool:
    return one.schema.equals(other.schema, check_metadata=True) and all(map(_same_column, one.columns, other.columns))


def _same_column(one: Any, other: Any) -> bool:
    if one.equals(other):
        return True
    import pyarrow.compute

    if not _pyarrow().types.is_floating(one.type):
        return False
    # Arrow says that NaN is not equal to itself.
    nans = [pyarrow.compute.is_nan(column) for column in (one, other)]
    if not nans[0].equals(nans[1]):
        return False
    first, second = (pyarrow.compute.if_else(nan, 0, column) for nan, column in zip(nans, (one, other)))
    return first.equals(second)


def _same_pandas(one: Any, other: Any) -> bool:
    columns = type(one.columns) is type(other.columns) and one.columns.dtype == other.columns.dtype
    return (
        columns and one.columns.equals(other.columns) and bool((one.dtypes == other.dtypes).all()) and one.equals(other)
    )


def from_recipe(node: Node, recipe: dict[str, Any]) -> Any:
    pyarrow = _pyarrow()
    schema = pyarrow.ipc.read_schema(pyarrow.py_buffer(base64.b64decode(recipe["schema"])))
    table = to_arrow(RDataFrame.of(node)).cast(schema)
    return table.to_pandas() if recipe["made"] == "pandas" else table


def _text(schema: Any) -> str:
    return base64.b64encode(schema.serialize().to_pybytes()).decode("ascii")
