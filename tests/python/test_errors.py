import pickle
import re

import pytest
from metaflow_core import errors

CLASSES = sorted(
    (value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.MetaflowError)),
    key=lambda kind: kind.__name__,
)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes():
    drawn = {}
    path = []
    for line in errors.__doc__.splitlines():
        found = re.match(r"(?P<rail>[ │├└─]*)(?P<name>[A-Z]\w+) +(?P<r_class>metaflow_\w+) ", line)
        if found:
            depth = (len(found["rail"]) - 4) // 4
            path = [*path[:depth], found["name"]]
            drawn[found["name"]] = (path[-2] if depth else "Exception", found["r_class"])
    real = {kind.__name__: (kind.__base__.__name__, kind.r_class) for kind in CLASSES}
    assert drawn == real


def test_every_class_is_public_and_has_an_r_class_of_its_own():
    assert set(errors.__all__) == {*(kind.__name__ for kind in CLASSES), "to_dict"}
    assert len({kind.r_class for kind in CLASSES}) == len(CLASSES)


def test_to_dict_goes_from_narrow_to_wide():
    error = errors.StoreConflict("somebody was faster", hint="Try again.", data={"key": "a"})
    assert errors.to_dict(error) == {
        "classes": ["metaflow_store_conflict_error", "metaflow_store_error", "metaflow_error"],
        "message": "somebody was faster",
        "hint": "Try again.",
        "data": {"key": "a"},
    }


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("x"), "internal error: KeyError: 'x'"),
        (AssertionError(), "internal error: AssertionError"),
        (KeyboardInterrupt(), "internal error: KeyboardInterrupt"),
    ],
)
def test_a_foreign_error_is_a_bug(error, message):
    data = errors.to_dict(error)
    assert data["classes"] == ["metaflow_internal_error", "metaflow_error"]
    assert data["message"] == message
    assert "METAFLOW_DEBUG" in data["hint"]
    assert data["data"]["type"] == type(error).__name__


def test_text_has_message_and_hint():
    assert str(errors.NotFound("no run 3")) == "no run 3"
    assert str(errors.NotFound("no run 3", hint="Newest is 2.")) == "no run 3\nNewest is 2."


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_errors_survive_the_way_between_processes(kind):
    copy = pickle.loads(pickle.dumps(kind("message", hint="hint", data=[1])))
    assert (type(copy), copy.message, copy.hint, copy.data) == (kind, "message", "hint", [1])
