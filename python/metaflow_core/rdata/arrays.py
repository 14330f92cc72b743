"""Matrices and arrays of R, and NumPy's. Both keep columns together, so the numbers are copied as they are."""

from __future__ import annotations

from typing import Any

from . import build
from . import node as r
from .missing import NA_INTEGER_BITS
from .node import Node

__all__ = ["array_recipe", "array_value", "from_numpy", "from_recipe"]

_LARGEST = 2**53


def array_value(node: Node) -> Any:
    """A numpy array, masked where whole numbers or logicals are missing; None without numpy. A missing double stays a
    NaN with R's mark in it, a missing text is None. `dimnames` are an attribute of the array where R has them."""
    try:
        import numpy
    except ImportError:
        return None
    dim = tuple(node.attribute("dim").numbers())  # type: ignore[union-attr]
    dim = tuple(int(size) for size in dim)
    flat: Any
    if node.type == r.DOUBLE:
        flat = numpy.frombuffer(node.value, dtype=numpy.float64).copy()
    elif node.type == r.COMPLEX:
        flat = numpy.frombuffer(node.value, dtype=numpy.complex128).copy()
    elif node.type == r.STRING:
        flat = numpy.array(node.texts(), dtype=object)
    else:
        flat = numpy.frombuffer(node.value, dtype=numpy.int32).copy()
        missing = flat == NA_INTEGER_BITS
        if node.type == r.LOGICAL:
            flat = flat != 0
        if missing.any():
            flat = numpy.ma.MaskedArray(flat, mask=missing)
    shaped = flat.reshape(dim, order="F")
    names = node.attribute("dimnames")
    if names is not None:
        if not isinstance(shaped, numpy.ma.MaskedArray):
            shaped = shaped.view(_named_array())
        shaped.dimnames = names
    return shaped


_classes: dict[str, Any] = {}


def _named_array() -> Any:
    """A numpy array that carries the dimnames of the whole; what is cut out of it or computed from it does not."""
    if "named" not in _classes:
        import numpy

        class RArray(numpy.ndarray):
            dimnames: Node | None = None

            def __array_finalize__(self, source: Any) -> None:
                self.dimnames = None

            def __reduce__(self) -> Any:
                return self.view(numpy.ndarray).__reduce__()

        _classes["named"] = RArray
    return _classes["named"]


def from_numpy(conversion: Any, value: Any) -> Node | None:
    import numpy

    if isinstance(value, numpy.generic):
        if isinstance(value, (numpy.datetime64, numpy.timedelta64, numpy.void, numpy.longdouble, numpy.clongdouble)):
            return None
        # A NumPy number becomes a number of Python's: mean(x) is a number, whoever computed it.
        return conversion.node(value.item())
    if not isinstance(value, numpy.ndarray):
        return None
    if isinstance(value, numpy.matrix) or value.dtype.fields:
        return None
    if value.ndim == 0:
        conversion.exact = False
        return conversion.node(value[()])
    node = _flat(value)
    if node is None:
        return None
    if not _is_read_alike(value):
        conversion.exact = False
    if value.ndim == 1:
        conversion.exact = False  # a vector is read as a list
        return node
    attributes = {"dim": build.integers(value.shape)}
    names = getattr(value, "dimnames", None)
    if isinstance(names, Node):
        attributes["dimnames"] = names
    return build.attributed(node, attributes)


def _is_read_alike(value: Any) -> bool:
    return value.dtype.name in ("float64", "int32", "bool", "complex128") and value.dtype.isnative


def _flat(value: Any) -> Node | None:
    import numpy

    mask = numpy.ma.getmaskarray(value).ravel(order="F") if isinstance(value, numpy.ma.MaskedArray) else None
    numbers = numpy.asarray(numpy.ma.getdata(value)).ravel(order="F")
    kind = value.dtype.kind
    if kind in "OUT":
        return _of_objects(numbers, mask)
    if kind == "b" or kind in "iu":
        return _of_whole_numbers(numbers, mask, kind)
    if kind == "f" and value.dtype.itemsize <= 8:
        doubles = numpy.array(numbers, dtype=numpy.float64)
        if mask is not None:
            doubles.view(numpy.uint64)[mask] = 0x7FF00000000007A2
        return Node(r.DOUBLE, r.DOUBLE, memoryview(doubles).cast("B"), length=len(doubles))
    if kind == "c" and value.dtype.itemsize <= 16 and mask is None:
        found = numpy.array(numbers, dtype=numpy.complex128)
        return Node(r.COMPLEX, r.COMPLEX, memoryview(found.view(numpy.float64)).cast("B"), length=len(found))
    return None


def _of_whole_numbers(numbers: Any, mask: Any, kind: str) -> Node | None:
    import numpy

    present = numbers if mask is None else numbers[~mask]
    least, most = (int(present.min()), int(present.max())) if kind != "b" and len(present) else (0, 0)
    if least > NA_INTEGER_BITS and most < 2**31:
        found = numpy.array(numbers, dtype=numpy.int32)
        if mask is not None:
            found[mask] = NA_INTEGER_BITS
        type = r.LOGICAL if kind == "b" else r.INTEGER
        return Node(type, type, memoryview(found).cast("B"), length=len(found))
    if least >= -_LARGEST and most <= _LARGEST:
        doubles = numpy.array(numbers, dtype=numpy.float64)
        if mask is not None:
            doubles.view(numpy.uint64)[mask] = 0x7FF00000000007A2
        return Node(r.DOUBLE, r.DOUBLE, memoryview(doubles).cast("B"), length=len(doubles))
    return None


def _of_objects(numbers: Any, mask: Any) -> Node | None:
    from .to_r import Conversion, common_kind

    values = [None if mask is not None and mask[i] else value for i, value in enumerate(numbers.tolist())]
    kind = common_kind(values)
    return None if kind is None or kind in ("Date", "POSIXct", "difftime") else Conversion().vector(kind, values)


# -- a vector that was an array: what Python must know besides


def array_recipe(value: Any) -> dict[str, Any] | None:
    """How to make this very array of the numbers that R has; None when that is not enough."""
    import numpy

    if type(value) is not numpy.ndarray or value.ndim == 0:
        return None
    if (
        value.dtype.kind not in "biufc"
        or not value.dtype.isnative
        or value.dtype.itemsize > (16 if value.dtype.kind == "c" else 8)
    ):
        return None
    return {"made": "numpy", "dtype": value.dtype.str, "shape": list(value.shape)}


def from_recipe(node: Node, recipe: dict[str, Any]) -> Any:
    import numpy

    if node.type == r.DOUBLE:
        flat = numpy.frombuffer(node.value, dtype=numpy.float64)
    elif node.type == r.COMPLEX:
        flat = numpy.frombuffer(node.value, dtype=numpy.complex128)
    else:
        flat = numpy.frombuffer(node.value, dtype=numpy.int32)
    return flat.astype(numpy.dtype(recipe["dtype"])).reshape(recipe["shape"], order="F")
