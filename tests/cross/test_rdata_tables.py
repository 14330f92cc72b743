"""Arrays of NumPy and tables of pandas and pyarrow: what they are in R, and that Python reads the same again."""

# ruff: noqa: E501 - lines of R and of values
from __future__ import annotations

import datetime as dt
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from metaflow_core.rdata import RDataFrame, decode, encode
from rprocess import RProcess


@pytest.fixture(scope="module")
def r():
    process = RProcess()
    yield process
    process.close()


def to_bytes(value) -> bytes:
    return b"".join(bytes(piece) for piece in encode(value).pieces)


ARRAYS = [
    (np.array([1.5, np.nan]), "c(1.5, NaN)"),
    (np.array([1, 2, 3]), "1:3"),
    (np.array([1, 2**40]), "c(1, 1099511627776)"),
    (np.array([1, 2], dtype=np.uint8), "1:2"),
    (np.array([0.5], dtype=np.float32), "0.5"),
    (np.array([True, False]), "c(TRUE, FALSE)"),
    (np.array([1j]), "1i"),
    (np.array(["a", "bb"]), "c('a', 'bb')"),
    (np.array(["a", None], dtype=object), "c('a', NA)"),
    (np.arange(6).reshape(2, 3), "matrix(0:5, 2, byrow = TRUE)"),
    (np.asfortranarray(np.arange(6.0).reshape(2, 3)), "matrix(as.numeric(0:5), 2, byrow = TRUE)"),
    (np.arange(24.0).reshape(2, 3, 4)[:, ::-1, :], "aperm(array(as.numeric(0:23), c(4, 3, 2)), c(3, 2, 1))[, 3:1, ]"),
    (np.zeros((0, 3)), "matrix(numeric(0), 0, 3)"),
    (np.ma.MaskedArray([1, 2], mask=[False, True]), "c(1L, NA)"),
    (np.ma.MaskedArray([1.0, 2.0], mask=[False, True]), "c(1, NA)"),
    (np.array(5), "5L"),
    (np.float64(0.1), "0.1"),
    (np.int64(7), "7L"),
    (np.bool_(True), "TRUE"),
]


@pytest.mark.parametrize(("value", "code"), ARRAYS, ids=[f"{type(v).__name__} {c}" for v, c in ARRAYS])
def test_arrays(r, value, code):
    data = to_bytes(value)
    assert r.is_identical(data, code)
    back = decode(data)
    if isinstance(value, np.ndarray):
        assert type(back) is type(value) and back.dtype == value.dtype and back.shape == value.shape
        same = np.ma.allequal if isinstance(value, np.ma.MaskedArray) else lambda a, b: a.tobytes() == b.tobytes()
        assert same(back, value) if value.dtype != object else back.tolist() == value.tolist()
    else:
        assert back == value


def test_what_arrays_r_cannot_hold_are_kept(r):
    for value in (np.array([2**60, 1]), np.array([b"x"]), np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")])):
        data = to_bytes(value)
        assert r.shown(data, "class(x)") == "metaflow_python_object"
        assert (decode(data) == value).all()


def test_na_in_matrices(r):
    doubles = decode(r.bytes_of("matrix(c(1, NA, NaN, 4), 2)"))
    assert isinstance(doubles, np.ndarray) and np.isnan(doubles).sum() == 2
    whole = decode(r.bytes_of("matrix(c(1L, NA), 1)"))
    assert whole.mask.tolist() == [[False, True]]
    named = decode(r.bytes_of("matrix(1:4, 2, dimnames = list(NULL, c('a', 'b')))"))
    assert (named + 1).tolist() == [[2, 4], [3, 5]] and getattr(named[:1], "dimnames", None) is None


def arrow(**columns):
    return pa.table(columns)


UTC = dt.timezone.utc
TABLES = [
    (arrow(x=pa.array([1, None], pa.int32())), "data.frame(x = c(1L, NA))"),
    (arrow(x=pa.array([1, 2], pa.int64())), "data.frame(x = 1:2)"),
    (arrow(x=pa.array([1, 2**40, None], pa.int64())), "data.frame(x = c(1, 1099511627776, NA))"),
    (arrow(x=pa.array([2**60 + 1, None], pa.int64())), "data.frame(x = c('1152921504606846977', NA))"),
    (arrow(x=pa.array([2**64 - 1], pa.uint64())), "data.frame(x = '18446744073709551615')"),
    (arrow(x=pa.array([-(2**31)], pa.int32())), "data.frame(x = -2147483648)"),
    (arrow(x=pa.array([1, None], pa.int8()), y=pa.array([1, 2], pa.uint16())), "data.frame(x = c(1L, NA), y = 1:2)"),
    (arrow(x=pa.array([1.5, None, float("nan")])), "data.frame(x = c(1.5, NA, NaN))"),
    (arrow(x=pa.array([True, None])), "data.frame(x = c(TRUE, NA))"),
    (arrow(x=pa.array(["a", None, "ü"])), "data.frame(x = c('a', NA, '\\u00fc'))"),
    (
        arrow(x=pa.array(["b", None, "a", "b"]).dictionary_encode()),
        "data.frame(x = factor(c('b', NA, 'a', 'b'), levels = c('b', 'a')))",
    ),
    (arrow(x=pa.array([dt.date(2020, 2, 29), None])), "data.frame(x = as.Date(c('2020-02-29', NA)))"),
    (
        arrow(x=pa.array([dt.datetime(2020, 1, 1, 12), None], pa.timestamp("us"))),
        "data.frame(x = as.POSIXct(c('2020-01-01 12:00', NA), tz = 'UTC'))",
    ),
    (
        arrow(x=pa.array([dt.datetime(2020, 1, 1, 12, tzinfo=UTC)], pa.timestamp("ns", "Europe/Berlin"))),
        "data.frame(x = as.POSIXct('2020-01-01 13:00', tz = 'Europe/Berlin'))",
    ),
    (arrow(x=pa.array([dt.timedelta(seconds=90)])), "data.frame(x = as.difftime(90, units = 'secs'))"),
    (arrow(x=pa.array([decimal.Decimal("12.34"), None])), "data.frame(x = c(12.34, NA))"),
    (arrow(x=pa.array([decimal.Decimal("0.12345678901234567890")])), "data.frame(x = '0.12345678901234567890')"),
    (arrow(x=pa.array([[1, 2], None])), "{d <- data.frame(x = 1:2); d$x <- list(1:2, NULL); d}"),
    (arrow(x=pa.array([None, None])), "data.frame(x = c(NA, NA))"),
    (pa.table({"x": pa.chunked_array([[1.0], [2.0, None]])}).slice(1), "data.frame(x = c(2, NA))"),
    (pa.table({"x": pa.array([], pa.string())}), "data.frame(x = character())"),
    (
        pd.DataFrame({"x": [1.5, None], "s": ["a", None], "i": [1, 2]}),
        "data.frame(x = c(1.5, NA), s = c('a', NA), i = 1:2)",
    ),
    (
        pd.DataFrame({"c": pd.Categorical(["x", None], ["y", "x"], ordered=True)}),
        "data.frame(c = factor(c('x', NA), levels = c('y', 'x'), ordered = TRUE))",
    ),
    (
        pd.DataFrame({"i": pd.array([1, None], "Int64"), "b": pd.array([True, None], "boolean")}),
        "data.frame(i = c(1L, NA), b = c(TRUE, NA))",
    ),
    (
        pd.DataFrame({"t": pd.to_datetime(["2020-01-01", None]).tz_localize("Europe/Berlin")}),
        "data.frame(t = as.POSIXct(c('2020-01-01', NA), tz = 'Europe/Berlin'))",
    ),
    (pd.DataFrame({"x": [1, 2]}, index=["u", "v"]), "data.frame(x = 1:2, row.names = c('u', 'v'))"),
    (pd.DataFrame({"x": [1, 2, 3]})[lambda d: d.x > 1], "data.frame(x = 2:3)"),
    (
        pd.DataFrame({"x": [1]}, index=pd.Index([dt.date(2020, 1, 1)], name="day")),
        "data.frame(day = as.Date('2020-01-01'), x = 1L)",
    ),
    (pd.DataFrame({"x": [1, "a"]}), "{d <- data.frame(x = 1:2); d$x <- list(1L, 'a'); d}"),
    (pd.DataFrame(), "data.frame()"),
    (pd.Series([1.5, None]), "c(1.5, NA)"),
    (pd.Series(["a", "b"], dtype="category"), "factor(c('a', 'b'))"),
]


@pytest.mark.parametrize(("value", "code"), TABLES, ids=[c for _, c in TABLES])
def test_tables(r, value, code):
    data = to_bytes(value)
    assert r.shown(data, f"if (identical(x, {{{code}}})) 'same' else deparse(x)") == "same"
    back = decode(data)
    assert type(back) is type(value)
    if isinstance(value, pa.Table):
        assert back.schema == value.schema and repr(back.to_pylist()) == repr(value.to_pylist())
    elif isinstance(value, pd.DataFrame):
        pd.testing.assert_frame_equal(back, value)
    else:
        pd.testing.assert_series_equal(back, value)


def test_a_table_that_r_has_all_of_is_stored_once():
    table = pa.table({"x": pa.array(range(100_000), pa.float64())})
    assert encode(table).size < 810_000
    assert encode(table.to_pandas()).size < 810_000
    assert encode(np.arange(100_000.0)).size < 810_000


def test_data_frames_of_r_as_tables(r):
    frame = decode(
        r.bytes_of(
            "data.frame(x = c(1L, NA), d = c(0.5, NA), s = c('a', NA), f = factor(c('u', NA)), "
            "day = as.Date(c('2020-02-29', NA)), t = as.POSIXct(c(0, NA), origin = '1970-01-01', tz = 'UTC'), l = c(NA, TRUE))"
        )
    )
    table = frame.to_arrow()
    assert [str(kind) for kind in table.schema.types] == [
        "int32",
        "double",
        "string",
        "dictionary<values=string, indices=int32, ordered=0>",
        "date32[day]",
        "timestamp[us, tz=UTC]",
        "bool",
    ]
    assert [column.null_count for column in table.columns] == [1] * 7
    assert pa.table(frame).equals(table)
    assert frame.to_pandas().shape == (2, 7)


def test_large_frames_are_read_without_a_copy(r):
    frame = decode(r.bytes_of("data.frame(x = as.numeric(1:10) / 2, s = as.character(1:10))"))
    assert frame.to_arrow()["x"].to_pylist() == [n / 2 for n in range(1, 11)]
    assert frame["s"] == [str(n) for n in range(1, 11)]


def test_a_column_that_arrow_has_nothing_for_is_named(r):
    frame = decode(r.bytes_of("{d <- data.frame(x = 1); d$f <- I(list(sum)); d}"))
    with pytest.raises(TypeError, match="column 'f'"):
        frame.to_arrow()


def test_frames_without_any_library(r):
    frame = RDataFrame({"x": [1, None], "when": [dt.date(2020, 1, 1), None], "l": [[1, 2], ["a"]]})
    assert r.shown(to_bytes(frame), "paste(class(x$x), class(x$when), class(x$l), nrow(x))") == "integer Date list 2"
    with pytest.raises(ValueError, match="equally long"):
        RDataFrame({"x": [1], "y": [1, 2]})
