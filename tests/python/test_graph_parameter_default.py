import pytest
from flow_strategies import any_json
from hypothesis import given
from hypothesis import strategies as st
from metaflow_core.graph.parameter import PARAMETER_TYPES, ParameterSpec
from metaflow_core.graph.parameter_default import TYPE_WORDS, default_fits


def fits(kind, default, separator=None):
    return default_fits(ParameterSpec("x", type=kind, default=default, separator=separator))


def test_every_type_has_words():
    assert sorted(TYPE_WORDS) == list(PARAMETER_TYPES)


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("int", 1),
        ("int", 2.0),
        ("int", 2**60),
        ("float", 1),
        ("float", 1.5),
        ("str", ""),
        ("bool", False),
        ("date", "2024-01-31"),
        ("json", {"a": [1]}),
        ("json", "text"),
        ("int", None),
        (None, [1]),
    ],
)
def test_fits(kind, default):
    assert fits(kind, default)


@pytest.mark.parametrize(
    ("kind", "default"),
    [
        ("int", 1.5),
        ("int", "1"),
        ("int", True),
        ("int", [1]),
        ("float", "x"),
        ("float", True),
        ("str", 3),
        ("str", ["a"]),
        ("bool", "yes"),
        ("bool", 1),
        ("date", "31.1.2024"),
        ("date", 3),
    ],
)
def test_does_not_fit(kind, default):
    assert not fits(kind, default)


@pytest.mark.parametrize(
    ("kind", "default", "answer"),
    [
        ("str", "a,b", True),
        ("str", ["a", "b"], True),
        ("int", "1, 2,3", True),
        ("int", [1, 2], True),
        ("int", 1, True),
        ("float", "1,1e-3", True),
        ("bool", "TRUE,no", True),
        ("date", "2024-01-31,2024-02-01", True),
        ("json", [{"a": 1}], True),
        ("int", "1,x", False),
        ("int", [1, "x"], False),
        ("float", "1,,2", False),
    ],
)
def test_with_a_separator_there_are_several_values(kind, default, answer):
    assert fits(kind, default, separator=",") is answer


@given(st.sampled_from([*PARAMETER_TYPES, None, "other"]), any_json, st.sampled_from([None, "", ",", ", "]))
def test_every_default_gets_an_answer(kind, default, separator):
    assert fits(kind, default, separator) in (True, False)
