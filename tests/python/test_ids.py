import pytest
from metaflow_core.errors import InvalidPathspec
from metaflow_core.ids import Pathspec, is_name, parse_pathspec


@pytest.mark.parametrize(
    "text, level",
    [("F", "flow"), ("F/12", "run"), ("F/12/fit", "step"), ("F/12/fit/7", "task"), ("F/12/fit/7/x", "artifact")],
)
def test_each_level(text, level):
    spec = parse_pathspec(text)
    assert spec.level == level
    assert str(spec) == text
    assert parse_pathspec(text, level) == spec


def test_the_parts():
    assert parse_pathspec("F/12/fit/7/x") == Pathspec("F", "12", "fit", "7", "x")
    assert parse_pathspec("F/12").parts == ("F", "12")


@pytest.mark.parametrize(
    "text", ["F/latest_run", "F/latest_successful_run/fit", "F/1/s/1/my value", "F/1/s/1/.x", "F/1/s/1/größe"]
)
def test_words_for_runs_and_free_names_of_artifacts(text):
    assert str(parse_pathspec(text)) == text


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "''"),
        (None, "None"),
        (12, "12"),
        ("/", "flow is empty"),
        ("F/", "run is empty"),
        ("F//fit", "run is empty"),
        ("F/12/fit/7/x/y", "6 parts"),
        ("F/abc", "'abc' is not the run"),
        ("F/0", "'0'"),
        ("F/-1", "'-1'"),
        ("F/1.5", "'1.5'"),
        ("F/١٢", "'١٢'"),
        ("F/../x", "'..'"),
        ("../F", "'..'"),
        ("F/12/fit/x", "'x' is not the task"),
        ("1F", "'1F'"),
        ("F/12/my-step", "'my-step' is not the step"),
        ("F/12/fit\n", "fit"),
        ("F/" + "9" * 30, "run"),
        (" F", "' F'"),
        ("F/1/fit/7/a\x00b", "artifact"),
    ],
)
def test_what_cannot_be_read_is_named(text, words):
    with pytest.raises(InvalidPathspec) as caught:
        parse_pathspec(text)
    assert words in caught.value.message
    assert caught.value.hint


def test_the_wrong_level_says_which_it_is():
    with pytest.raises(InvalidPathspec) as caught:
        parse_pathspec("F/12", "task")
    assert caught.value.message == "'F/12' is the pathspec of a run, not of a task"
    assert caught.value.hint == "The pathspec of a task looks like Flow/12/step/7."
    with pytest.raises(InvalidPathspec) as caught:
        parse_pathspec("F", "artifact")
    assert "not of an artifact" in caught.value.message


def test_names():
    assert is_name("fit_2") and is_name("F")
    for text in ("", "_x", "2x", "a-b", "a.b", "a b", "ü", None, "a\n"):
        assert not is_name(text)
