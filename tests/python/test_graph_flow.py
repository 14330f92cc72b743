import pytest
from flow_strategies import any_flows, any_json
from flows import decorator, flow, shape, step
from hypothesis import given, settings
from hypothesis import strategies as st
from metaflow_core.canonical import canonical_json
from metaflow_core.errors import InvalidFlow
from metaflow_core.graph.flow import FlowSpec
from metaflow_core.graph.parameter import ParameterSpec

FULL = {
    "format": 1,
    "name": "Full",
    "script": "flow.R",
    "parameters": [
        {
            "name": "alpha",
            "type": "float",
            "required": False,
            "default": 0.5,
            "has_default": True,
            "help": "How much.",
            "separator": None,
            "is_flag": False,
        }
    ],
    "decorators": [{"name": "project", "args": {"name": "x"}}],
    "steps": [
        {
            "name": "start",
            "language": "r",
            "next": ["a", "end"],
            "foreach": None,
            "join": False,
            "has_function": True,
            "arity": 1,
            "switch": {"condition": "ok", "cases": {"yes": "a", "no": "end"}},
            "line": 12,
            "decorators": [{"name": "retry", "args": {"times": 3, "minutes_between_retries": [0, 1]}}],
        },
        {
            "name": "a",
            "language": "r",
            "next": ["end"],
            "foreach": None,
            "join": False,
            "has_function": False,
            "arity": None,
            "switch": None,
            "line": None,
            "decorators": [],
        },
        {
            "name": "end",
            "language": "r",
            "next": [],
            "foreach": None,
            "join": False,
            "has_function": False,
            "arity": None,
            "switch": None,
            "line": None,
            "decorators": [],
        },
    ],
}


def test_every_field_makes_the_round_trip():
    assert FlowSpec.from_dict(FULL).to_dict() == FULL


def test_specs_are_values():
    assert FlowSpec.from_dict(FULL) == FlowSpec.from_dict(FULL)
    with pytest.raises(AttributeError):
        shape("linear").name = "other"


@pytest.mark.parametrize("nothing", [None, {}, []])
def test_the_empty_things_of_r_are_nothing(nothing):
    spec = flow(
        {"name": "start", "next": nothing, "switch": nothing, "decorators": nothing, "foreach": nothing},
        parameters=nothing,
        decorators=nothing,
    )
    start = spec.step("start")
    assert (start.next, start.switch, start.decorators, start.foreach) == ((), None, (), None)
    assert (spec.parameters, spec.decorators) == ((), ())


def test_one_text_is_a_list_of_one():
    assert flow(step("start", "end")).step("start").next == ("end",)


def test_a_default_of_null_is_not_no_default():
    assert ParameterSpec.from_dict({"name": "x"}).has_default is False
    assert ParameterSpec.from_dict({"name": "x", "default": None, "has_default": True}).has_default is True
    assert ParameterSpec.from_dict({"name": "x", "default": 0}).has_default is True


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "the flow must be an object, not None"),
        ({}, "the flow, field 'name' must be a text, not None"),
        ({"name": 3}, "the flow, field 'name' must be a text, not 3"),
        ({"name": "F", "steps": "start"}, "the flow, field 'steps' must be a list, not 'start'"),
        ({"name": "F", "steps": [3]}, "step 1 must be an object, not 3"),
        ({"name": "F", "steps": [{"name": "a", "next": [1]}]}, "step 'a', field 'next' must be a list of texts, not 1"),
        (
            {"name": "F", "steps": [{"name": "a", "join": "yes"}]},
            "step 'a', field 'join' must be true or false, not 'yes'",
        ),
        (
            {"name": "F", "steps": [{"name": "a", "arity": 1.5}]},
            "step 'a', field 'arity' must be a whole number, not 1.5",
        ),
        (
            {"name": "F", "steps": [{"name": "a", "switch": {"condition": "x", "cases": {"y": 1}}}]},
            "step 'a', switch, field 'cases' must be a list of texts, not 1",
        ),
        (
            {"name": "F", "steps": [{"name": "a", "decorators": [{"name": "b", "args": [1]}]}]},
            "step 'a', decorator 1, field 'args' must be an object, not [1]",
        ),
        ({"name": "F", "parameters": [{"default": 3}]}, "parameter 1, field 'name' must be a text, not None"),
    ],
)
def test_what_is_not_a_flow_is_told_with_its_place(data, message):
    with pytest.raises(InvalidFlow) as raised:
        FlowSpec.from_dict(data)
    assert raised.value.message == f"the flow cannot be read: {message}"
    assert raised.value.data[0]["code"] == "malformed"


def test_a_newer_format_says_upgrade():
    with pytest.raises(InvalidFlow, match="format 2") as raised:
        FlowSpec.from_dict({"format": 2, "name": "F"})
    assert "newer version" in raised.value.hint


def test_step_by_name():
    assert shape("linear").step("a").next == ("b",)
    with pytest.raises(KeyError):
        shape("linear").step("z")


@settings(max_examples=200)
@given(any_json | st.fixed_dictionaries({"name": st.text(max_size=3), "steps": any_json, "parameters": any_json}))
def test_any_json_is_a_flow_or_an_invalid_flow(data):
    try:
        spec = FlowSpec.from_dict(data)
    except InvalidFlow as error:
        assert error.data
    else:
        assert FlowSpec.from_dict(spec.to_dict()) == spec


@settings(max_examples=100)
@given(any_flows())
def test_round_trip_of_any_flow(spec):
    assert FlowSpec.from_dict(spec.to_dict()) == spec
    assert canonical_json(spec.to_dict())


def test_decorators_keep_their_arguments():
    spec = flow(step("start", "end", decorators=[decorator("retry", times=2)]))
    assert spec.step("start").decorators[0].args == {"times": 2}
