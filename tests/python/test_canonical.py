import json

import pytest
from metaflow_core.canonical import canonical_json


def test_equal_values_have_equal_texts():
    assert canonical_json({"b": 1, "a": [1, 2]}) == canonical_json({"a": [1, 2], "b": 1}) == '{"a":[1,2],"b":1}'


def test_text_stays_readable():
    assert canonical_json("größer") == '"größer"'


def test_indented_is_the_same_value():
    assert json.loads(canonical_json({"a": [1, {"b": None}]}, indent=1)) == {"a": [1, {"b": None}]}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_does_not_have_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json([value])
