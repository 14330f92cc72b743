import pytest
from hypothesis import given
from hypothesis import strategies as st
from metaflow_core.errors import ParameterError
from metaflow_core.graph.parameter import ParameterSpec
from metaflow_core.graph.parameter_value import accepts, inferred_type, parse_text, resolve_parameters


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"default": 3}, "int"),
        ({"default": 3.5}, "float"),
        ({"default": True}, "bool"),
        ({"default": "a"}, "str"),
        ({"default": {"a": 1}}, "json"),
        ({"default": ["a"], "separator": ","}, "str"),
        ({"is_flag": True}, "bool"),
        ({}, "str"),
        ({"type": "date", "default": "2024-01-31"}, "date"),
    ],
)
def test_type_is_stated_or_taken_from_the_default(fields, kind):
    assert inferred_type(ParameterSpec("x", **fields)) == kind


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("int", "3", 3),
        ("int", "-3", -3),
        ("int", "1e6", 1000000),
        ("int", "9007199254740993", 9007199254740993),
        ("float", "1", 1.0),
        ("float", "1e-3", 0.001),
        ("bool", "TRUE", True),
        ("bool", "f", False),
        ("bool", "1", True),
        ("str", "data_set-v1 x.csv", "data_set-v1 x.csv"),
        ("str", "", ""),
        ("json", '{"a": [1]}', {"a": [1]}),
        ("date", "2024-01-31", "2024-01-31"),
    ],
)
def test_texts_of_the_command_line(kind, text, value):
    read = parse_text(ParameterSpec("x", type=kind), text)
    assert (read, type(read)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("int", "1.5"),
        ("int", "x"),
        ("int", ""),
        ("int", "inf"),
        ("float", "x"),
        ("float", "nan"),
        ("float", "Inf"),
        ("bool", "maybe"),
        ("json", "{"),
        ("date", "31.1.2024"),
        ("date", "2024-02-30"),
    ],
)
def test_bad_texts(kind, text):
    with pytest.raises(ParameterError) as raised:
        parse_text(ParameterSpec("x", type=kind, help="What it is."), text)
    assert raised.value.message.startswith("parameter 'x' must be ")
    assert f"not '{text}'" in raised.value.message
    assert raised.value.hint == "What it is."


def test_separator():
    assert parse_text(ParameterSpec("x", separator=","), "a,b c") == ["a", "b c"]


@given(st.integers())
def test_integers_of_any_size_are_exact(number):
    assert parse_text(ParameterSpec("x", type="int"), str(number)) == number


@given(st.sampled_from(["int", "float", "bool", "str", "json", "date"]), st.text())
def test_what_parses_is_accepted(kind, text):
    parameter = ParameterSpec("x", type=kind)
    try:
        value = parse_text(parameter, text)
    except ParameterError:
        return
    assert accepts(parameter, value)


class TestResolve:
    parameters = (
        ParameterSpec("alpha", type="float", default=0.5, has_default=True),
        ParameterSpec("path", type="str", required=True, help="The data."),
        ParameterSpec("note", type="str"),
    )

    def test_given_then_default_then_nothing(self):
        assert resolve_parameters(self.parameters, {"path": "a b"}) == {"alpha": 0.5, "path": "a b", "note": None}
        assert resolve_parameters(self.parameters, {"path": "x", "alpha": 1})["alpha"] == 1

    def test_all_complaints_at_once(self):
        with pytest.raises(ParameterError) as raised:
            resolve_parameters(self.parameters, {"alpha": "x", "nope": 1})
        assert raised.value.message == (
            "the flow has no parameter 'nope'; parameter 'alpha' must be a number, not \"x\"; "
            "parameter 'path' is required"
        )
        assert len(raised.value.data) == 3
