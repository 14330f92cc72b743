"""R values in Python and Python values in R, compared by R's own identical()."""

# ruff: noqa: E501 - lines of R and of values
from __future__ import annotations

import contextlib
import datetime as dt
import math
import struct
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from metaflow_core.rdata import NA, Factor, RDataFrame, RObject, decode, encode
from metaflow_core.rdata.reader import read
from metaflow_core.rdata.same import same
from metaflow_core.rdata.writer import write
from rprocess import RProcess


@pytest.fixture(scope="module")
def r():
    process = RProcess()
    yield process
    process.close()


def to_bytes(value) -> bytes:
    return b"".join(bytes(piece) for piece in encode(value).pieces)


# -- every kind of R value goes through Python and comes back

R_VALUES = {
    "null": "NULL",
    "na": "NA",
    "na of each type": "list(NA, NA_integer_, NA_real_, NA_character_, NA_complex_)",
    "na is not nan": "c(NaN, NA, Inf, -Inf, -0, .Machine$double.xmin, 2^53 + 1)",
    "single numbers": "list(TRUE, 1L, 1, 'a', 1i, NaN, as.raw(1))",
    "logical": "c(NA, TRUE, FALSE)",
    "integer": "c(NA_integer_, 1L, -.Machine$integer.max)",
    "text with na": 'c("a", NA, "NA", "")',
    "text": 'c("gr\\u00fc\\u00dfe \\u6f22\\U0001F600", "tab\\t\\n\\"quote\\\\")',
    "latin1": 'iconv("gr\\u00fc", "UTF-8", "latin1")',
    "empty vectors": "list(logical(0), integer(0), numeric(0), character(0), complex(0), raw(0), list())",
    "all missing": "list(c(NA, NA), c(NA_integer_, NA), c(NA_real_, NA), c(NA_character_, NA))",
    "one element": "list(list(1), list('a'), list(NULL), list(list()))",
    "list of numbers": "list(1, 2)",
    "list of mixed": "list(1L, 'a', NULL, TRUE, list(2))",
    "named vector": "c(a = 1, b = 2)",
    "named texts": "c(x = 'a', y = NA)",
    "repeated names": "list(c(a = 1, a = 2), list(a = 1, a = 2), list(1, b = 2), setNames(1:2, c(NA, 'b')))",
    "named list": "list(a = 1, b = list(c = 'x', d = NULL))",
    "named empty list": "setNames(list(), character())",
    "factor": 'factor(c("x", NA, "y"), levels = c("y", "x", "z"))',
    "ordered": 'factor(c("lo", "hi"), levels = c("lo", "hi"), ordered = TRUE)',
    "one factor": 'factor("a")',
    "factor with na level": 'addNA(factor(c("a", NA)))',
    "dates": "list(as.Date('2020-02-29'), as.Date(c('2020-02-29', NA)), as.Date(NA), as.Date(character()), as.Date(0.5, origin = '1970-01-01'), as.Date(-1e6, origin = '1970-01-01'))",
    "integer date": "structure(18000L, class = 'Date')",
    "moments": "list(as.POSIXct(1e9 + 0.25, origin = '1970-01-01', tz = 'UTC'), as.POSIXct('2020-07-01 12:00', tz = 'Europe/Berlin'), as.POSIXct(c(1e9, NA), origin = '1970-01-01', tz = 'America/New_York'), structure(1e9 + 1/3, class = c('POSIXct', 'POSIXt')), as.POSIXct(NA), Sys.time(), as.POSIXct('2020-10-25 02:30', tz = 'Europe/Berlin'))",
    "strange moments": "list(as.POSIXct(Inf, origin = '1970-01-01'), as.POSIXct(1e14, origin = '1970-01-01', tz = 'UTC'), structure(1, class = c('POSIXct', 'POSIXt'), tzone = 'Nowhere/Land'), as.POSIXlt(0, tz = 'UTC', origin = '1970-01-01'))",
    "durations": "list(as.difftime(90, units = 'mins'), as.difftime(c(1, NA), units = 'secs'), as.difftime(1/3, units = 'weeks'), as.difftime(3, units = 'secs'))",
    "raw": "as.raw(0:255)",
    "complex": "c(1+2i, NA, NaN+0i)",
    "matrix": "list(matrix(1:6, 2), matrix(c(1, NA, NaN, 4), 2), matrix(c(TRUE, NA), 1), matrix(c('a', NA), 2), array(1:24, 2:4), matrix(1i, 1, 1))",
    "matrix with names": "list(matrix(1:4, 2, dimnames = list(NULL, c('a', 'b'))), matrix(c(NA, 1L), 1, dimnames = list('r', NULL)))",
    "empty matrix": "matrix(numeric(0), 0, 3)",
    "table": "table(c('a', 'b', 'a'))",
    "data frame": "data.frame(x = c(1, NA), when = as.Date(c(NA, '2020-01-01')), text = c('a', NA), f = factor(c('u', 'v')))",
    "data frame with row names": "mtcars",
    "empty data frames": "list(data.frame(), data.frame(x = integer()), iris[0, ])",
    "data frame of lists": "data.frame(x = I(list(1, 'a')))",
    "data frame of one row": "iris[7, , drop = FALSE]",
    "altrep": "list(1:10, seq(2, 20, by = 2), as.character(1:5), as.character(c(1.5, NA, 1e5, 1e-20, 123456)), sort(c(3, 1, 2)), rev(1:3))",
    "formula": "y ~ x + log(z)",
    "call": "quote(if (a) b else function(x, ...) x$y[[1]])",
    "function": "function(x, y = 2) x + y",
    "compiled function": "compiler::cmpfun(function(x) { for (i in 1:10) x <- x + i; x })",
    "expression": "expression(a, b + 1)",
    "pairlist": "pairlist(a = 1, 2)",
    "symbol": "as.name('x')",
    "builtins": "list(sum, `if`, `[[`)",
    "environments": "list(globalenv(), baseenv(), emptyenv(), asNamespace('stats'))",
    "model": "{ m <- lm(mpg ~ wt, mtcars); attr(m$terms, '.Environment') <- globalenv(); attr(attr(m$model, 'terms'), '.Environment') <- globalenv(); m }",
    "S4": "getClass('numeric')",
    "class of one's own": "structure(list(a = 1), class = c('mine', 'base'), note = 'x')",
    "attributes": "structure(1:3, note = 'x')",
    "as is": "I(1:2)",
    "condition": "simpleError('no')",
    "deep": "Reduce(function(x, i) list(x), 1:300, 1)",
    "long": "as.list(seq_len(5000))",
    "nested": "list(1, list(NULL, 'b'), c = list())",
}


@pytest.mark.parametrize("name", R_VALUES)
def test_r_values_come_back_identical(r, name):
    code = R_VALUES[name]
    data = r.bytes_of(f"value <- {{{code}}}")
    assert r.is_identical(to_bytes(decode(data)), "value")


@pytest.mark.parametrize("name", R_VALUES)
def test_the_format_is_read_and_written_byte_for_byte(r, name):
    data = r.bytes_of(f"value <- {{{R_VALUES[name]}}}")
    node, end = read(data)
    assert end == len(data)
    written = b"".join(bytes(piece) for piece in write(node))
    assert written[14:] == data[14:]  # before that, which R wrote it
    swapped = r.bytes_of("value", xdr=True)
    assert b"".join(bytes(piece) for piece in write(read(swapped)[0])) == written


def test_environments_keep_their_content_and_what_they_share(r):
    code = "{ e <- new.env(); e$x <- 1; e$self <- e; list(e, e, function() x) }"
    back = to_bytes(decode(r.bytes_of(code)))
    assert r.shown(back, "identical(x[[1]], x[[2]]) && identical(x[[1]]$self, x[[1]]) && x[[1]]$x == 1") == "TRUE"


def test_identical_is_what_r_says(r):
    one, other = (read(r.bytes_of(code))[0] for code in ("list(1:3, c(a = 'x'))", "list(c(1L, 2L, 3L), c(a = 'x'))"))
    assert same(one, other)
    for code in ("list(1:3, c(b = 'x'))", "list(c(1, 2, 3), c(a = 'x'))", "list(1:4, c(a = 'x'))", "1:3"):
        assert not same(one, read(r.bytes_of(code))[0])


# -- what R values are in Python

IN_PYTHON = {
    "NULL": None,
    "NA": NA,
    "TRUE": True,
    "1L": 1,
    "c(1, 2.5)": [1.0, 2.5],
    "c(NA, 1)": [None, 1.0],
    "c('a', NA)": ["a", None],
    "list(a = 1L, b = 'x')": {"a": 1, "b": "x"},
    "c(a = 1)": {"a": 1.0},
    "factor(c('x', NA))": ["x", None],
    "as.Date('2020-02-29')": dt.date(2020, 2, 29),
    "as.POSIXct('2020-07-01 12:00', tz = 'Europe/Berlin')": dt.datetime(
        2020, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")
    ),
    "as.difftime(90, units = 'mins')": dt.timedelta(minutes=90),
    "as.raw(1:3)": b"\x01\x02\x03",
    "integer(0)": [],
    "list(1, 'a')": [1.0, "a"],
}


@pytest.mark.parametrize("code", IN_PYTHON)
def test_r_values_are_plain_in_python(r, code):
    found = decode(r.bytes_of(code))
    assert found == IN_PYTHON[code]
    if IN_PYTHON[code] is None or isinstance(IN_PYTHON[code], bool):
        assert found is IN_PYTHON[code]


def test_na_is_no_value_and_nan_is_no_na(r):
    assert decode(r.bytes_of("NA_real_")) != decode(r.bytes_of("NaN"))
    missing, nan = decode(r.bytes_of("c(NA, NaN)"))
    assert missing is None and math.isnan(nan)
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(decode(r.bytes_of("NA")))


def test_data_frames_give_columns_and_rows(r):
    frame = decode(r.bytes_of("data.frame(x = c(1L, NA), s = c('a', NA), f = factor(c('u', 'v')))"))
    assert isinstance(frame, RDataFrame) and frame.shape == (2, 3) and len(frame) == 2
    assert frame["x"] == [1, None] and frame["s"] == ["a", None] and frame["f"] == ["u", "v"]
    assert list(frame.rows())[0] == {"x": 1, "s": "a", "f": "u"}
    with pytest.raises(KeyError, match="Did you mean 's'"):
        frame["S"]


def test_rows_of_a_data_frame_are_those_of_r(r):
    for code in ("iris", "mtcars", "data.frame(a = c('x', 'yy', NA), when = as.Date(c(NA, '2020-01-01', NA)))"):
        frame = decode(r.bytes_of(f"value <- {code}"))
        for place in (0, 1, len(frame) - 1):
            assert r.is_identical(to_bytes(frame.row(place)), f"value[{place + 1}, , drop = FALSE]")


def test_models_can_be_looked_into(r):
    model = decode(r.bytes_of("lm(mpg ~ wt, mtcars)"))
    assert isinstance(model, RObject) and model.rclass == ["lm"]
    assert round(model["coefficients"]["wt"], 3) == -5.344
    assert "residuals" in model and repr(model) == "<R object of class lm>"
    assert decode(to_bytes(model["coefficients"])) == model["coefficients"]


# -- what Python values are in R

IN_R = [
    (None, "NULL"),
    (NA, "NA"),
    (True, "TRUE"),
    (3, "3L"),
    (2**31 - 1, ".Machine$integer.max"),
    (-(2**31), "-2147483648"),
    (2**40, "1099511627776"),
    (0.1, "0.1"),
    (float("nan"), "NaN"),
    (float("-inf"), "-Inf"),
    ("grüße", '"gr\\u00fc\\u00dfe"'),
    (1 + 2j, "1+2i"),
    (b"\x00\xff", "as.raw(c(0, 255))"),
    ([], "list()"),
    ([5], "5L"),
    ((1, 2), "c(1L, 2L)"),
    ([1, None], "c(1L, NA)"),
    ([1, 2.5], "c(1, 2.5)"),
    ([1, 2**31], "c(1, 2147483648)"),
    (["a", None], 'c("a", NA)'),
    ([True, None], "c(TRUE, NA)"),
    ([None, None], "c(NA, NA)"),
    ([1, "a"], 'list(1L, "a")'),
    ([True, 1], "list(TRUE, 1L)"),
    ([[1, 2], [3]], "list(c(1L, 2L), 3L)"),
    ({"a": 1, "b": [1.5, 2.5]}, "list(a = 1L, b = c(1.5, 2.5))"),
    ({}, "setNames(list(), character())"),
    ({1: "a", 2: "b"}, 'list(`1` = "a", `2` = "b")'),
    ({"x"}, '"x"'),
    (range(3), "0:2"),
    (dt.date(2020, 2, 29), "as.Date('2020-02-29')"),
    ([dt.date(2020, 2, 29), None], "as.Date(c('2020-02-29', NA))"),
    (dt.datetime(2020, 1, 1, 12, tzinfo=dt.timezone.utc), "as.POSIXct('2020-01-01 12:00', tz = 'UTC')"),
    (dt.datetime(2020, 1, 1, 12), "as.POSIXct('2020-01-01 12:00', tz = 'UTC')"),
    (
        dt.datetime(2020, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")),
        "as.POSIXct('2020-07-01 12:00', tz = 'Europe/Berlin')",
    ),
    (dt.timedelta(minutes=1.5), "as.difftime(90, units = 'secs')"),
    (Factor(["a", None, "b"], ["b", "a"]), "factor(c('a', NA, 'b'), levels = c('b', 'a'))"),
    (RDataFrame({"x": [1, 2], "y": ["a", None]}), "data.frame(x = 1:2, y = c('a', NA))"),
    (RDataFrame({}), "data.frame()"),
]


@pytest.mark.parametrize(("value", "code"), IN_R, ids=[code for _, code in IN_R])
def test_python_values_are_natural_in_r(r, value, code):
    assert r.is_identical(to_bytes(value), code)


class Thing:
    def __init__(self, size):
        self.size = size

    def __eq__(self, other):
        return isinstance(other, Thing) and other.size == self.size


@pytest.mark.parametrize("value", [2**70, Thing(3), {(1, 2): 3}, "nul \0", [2**70, 1], object], ids=repr)
def test_what_r_has_no_meaning_for_is_kept(r, value):
    data = to_bytes(value)
    assert decode(data) == value
    if not isinstance(value, list):
        assert r.shown(data, "class(x)") == "metaflow_python_object"


def test_large_numbers_never_lose_digits(r):
    for value in (2**53, -(2**53)):
        assert decode(to_bytes(value)) == value and r.shown(to_bytes(value), "sprintf('%.0f', x)") == str(value)
    assert r.shown(to_bytes(2**53 + 1), "x$text") == str(2**53 + 1)


# -- properties

# What R holds as it is; texts without NUL, and without what is no character.
TEXTS = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=8)
INTEGERS = st.integers(-(2**31) + 1, 2**31 - 1)
FLOATS = st.floats(allow_nan=False)
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | FLOATS
    | TEXTS
    | st.binary(max_size=5)
    | st.dates()
    | st.timedeltas()
    | st.complex_numbers(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(TEXTS, inner, max_size=4)
        | st.tuples(inner)
        | st.sets(st.integers(), max_size=3)
    ),
    max_leaves=12,
)
often = settings(
    max_examples=150, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)


def types_of(value):
    """The types of a value and of all in it."""
    inner = value.values() if isinstance(value, dict) else sorted(value) if isinstance(value, set) else value
    nested = [types_of(item) for item in inner] if isinstance(value, (list, tuple, dict, set)) else []
    return [type(value), nested]


def plain(kind):
    return {"RList": "list", "RVector": "list", "RDuration": "timedelta"}.get(kind.__name__, kind.__name__)


def flat(types):
    return [plain(types[0]), [flat(inner) for inner in types[1]]]


@often
@given(ANY)
def test_the_next_python_step_reads_what_the_last_one_assigned(value):
    found = decode(to_bytes(value))
    assert found == value and flat(types_of(found)) == flat(types_of(value))


def literal(value):
    """R code for a value of Python, written without the writer."""
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return f"{value}L"
    if isinstance(value, float):
        if math.isinf(value):
            return "Inf" if value > 0 else "-Inf"
        return f"readBin(as.raw(c({','.join(map(str, struct.pack('=d', value)))})), 'double')"
    return f"rawToChar(as.raw(c({','.join(map(str, value.encode()))})))"


def vector_code(values, kind):
    code = f"c({', '.join(map(literal, values))})"
    return (
        f"as.{kind}({code})"
        if kind != "character"
        else f"local({{x <- {code}; Encoding(x) <- 'UTF-8'; as.character(x)}})"
    )


@often
@given(
    st.lists(st.none() | INTEGERS, min_size=2),
    st.lists(st.none() | FLOATS, min_size=2),
    st.lists(st.none() | TEXTS, min_size=2),
)
def test_vectors_are_what_r_makes_of_the_same_numbers(r, integers, floats, texts):
    for values, kind in ((integers, "integer"), (floats, "double"), (texts, "character")):
        if any(value is not None for value in values):
            assert r.is_identical(to_bytes(values), vector_code(values, kind))


@often
@given(st.lists(FLOATS, min_size=1, max_size=6))
def test_numbers_as_texts_are_those_of_r(r, numbers):
    """as.character() is deferred: R stores the numbers, and Python must write them as R would."""
    code = f"as.character({vector_code(numbers, 'double')})"
    found = decode(r.bytes_of(f"value <- {code}"))
    told = r.bytes_of("{value[1] <- value[1]; value}")  # written out by R
    assert found == decode(told)


@often
@given(st.data())
def test_damaged_bytes_are_refused_or_read_but_never_crash(data):
    from metaflow_core.errors import MetaflowError

    whole = to_bytes({"a": [1, 2, 3], "b": ["x", None], "c": {"d": dt.date(2020, 1, 1)}})
    place = data.draw(st.integers(0, len(whole) - 1))
    broken = bytearray(whole)
    broken[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(MetaflowError, UnicodeError, ValueError, TypeError, OverflowError, KeyError, IndexError, AttributeError):
        decode(bytes(broken[: data.draw(st.integers(0, len(broken)))]))
