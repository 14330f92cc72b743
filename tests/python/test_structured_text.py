"""YAML and TOML of configurations, as plain data."""

import builtins
import sys

import pytest
from metaflow_core.errors import MissingExtra, ParameterError
from metaflow_core.structured_text import parse_text


@pytest.mark.skipif(sys.version_info < (3, 11), reason="this Python has no tomllib")
def test_toml():
    text = 'memory = 700\nday = 2024-01-31\nat = 2024-01-31T12:00:00Z\n[deep]\nxs = [1, 2.5, "a"]\n'
    found = parse_text(text, "toml")
    assert found == {
        "memory": 700,
        "day": "2024-01-31",
        "at": "2024-01-31T12:00:00+00:00",
        "deep": {"xs": [1, 2.5, "a"]},
    }


def test_yaml():
    text = "memory: 600\nday: 2024-01-31\ndeep: {xs: [1, 2.5, a], 3: ~}\n"
    assert parse_text(text, "yaml") == {"memory": 600, "day": "2024-01-31", "deep": {"xs": [1, 2.5, "a"], "3": None}}


@pytest.mark.parametrize(
    ("format", "text"), [("yaml", "a: [1"), ("yaml", "a: !!python/object:os.system x"), ("toml", "a = ")]
)
def test_a_wrong_text(format, text):
    if format == "toml" and sys.version_info < (3, 11):
        pytest.skip("this Python has no tomllib")
    with pytest.raises(ParameterError):
        parse_text(text, format)


@pytest.mark.parametrize(
    ("format", "modules", "cure"), [("yaml", ["yaml"], "yaml"), ("toml", ["tomllib", "tomli"], "tomli")]
)
def test_without_a_reader_the_cure_is_named(monkeypatch, format, modules, cure):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name in modules:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtra) as caught:
        parse_text("", format)
    assert cure in str(caught.value)
    assert "JSON" in caught.value.hint
