import sys

import pytest
from metaflow_core import registry
from metaflow_core.errors import UnknownOption
from metaflow_core.registry import Registry, plugins


class Entry:
    """An entry point as importlib.metadata gives it."""

    def __init__(self, name, load):
        self.name = name
        self.load = load


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of plugins called `shapes` with round.py and square.py, and a module that is no plugin."""
    folder = tmp_path / "modules" / "shapes"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "round.py").write_text("PLUGIN = 'a circle'\n")
    (folder / "square.py").write_text("class PLUGIN:\n    aliases = ('box',)\n")
    (folder / "rules.py").write_text("ANYTHING = 1\n")
    (folder / "_private.py").write_text("raise RuntimeError('never imported')\n")
    monkeypatch.syspath_prepend(str(folder.parent))
    monkeypatch.setattr(registry, "_entry_points", lambda: pytest.fail("searched without need"))
    yield "shapes"
    for name in [name for name in sys.modules if name.split(".")[0] == "shapes"]:
        del sys.modules[name]


def other_distributions(monkeypatch, *entries):
    monkeypatch.setattr(registry, "_entry_points", lambda: list(entries))


def test_a_module_is_a_plugin_and_loaded_only_when_asked_for(package):
    assert Registry("shapes", package).get("round") == "a circle"
    assert "shapes.square" not in sys.modules


def test_an_alias_is_found_without_searching_distributions(package):
    shapes = Registry("shapes", package)
    assert shapes.get("box") is shapes.get("square")


def test_names_are_sorted_and_without_modules_that_are_no_plugins(package, monkeypatch):
    other_distributions(monkeypatch)
    assert Registry("shapes", package).names() == ["round", "square"]


def test_unknown_names_are_errors_with_a_suggestion(package, monkeypatch):
    other_distributions(monkeypatch)
    with pytest.raises(UnknownOption) as raised:
        Registry("shapes", package).get("sqare")
    assert raised.value.message == "unknown shape 'sqare'"
    assert raised.value.hint == "Did you mean 'square'?"
    assert raised.value.data["known"] == ["round", "square"]


@pytest.mark.parametrize("name", ["rules", "_private", "", "round.py", "../round", "shapes.round"])
def test_other_modules_and_paths_are_unknown(package, monkeypatch, name):
    other_distributions(monkeypatch)
    assert Registry("shapes", package).find(name) is None


def test_another_distribution_adds_a_plugin(package, monkeypatch):
    class Module:
        PLUGIN = "a star"

    other_distributions(
        monkeypatch,
        Entry("shapes.star", lambda: Module),
        Entry("shapes.dot", lambda: "a dot"),
        Entry("storages.star", lambda: pytest.fail("another kind")),
        Entry("shapes", lambda: pytest.fail("no name")),
    )
    shapes = Registry("shapes", package)
    assert shapes.get("star") == "a star"
    assert shapes.get("dot") == "a dot"
    assert shapes.names() == ["dot", "round", "square", "star"]
    assert shapes.builtin_names() == ["round", "square"]


def test_a_broken_plugin_fails_only_when_it_is_asked_for(package, monkeypatch):
    def load():
        raise ImportError("no module named 'stars'")

    other_distributions(monkeypatch, Entry("shapes.star", load), Entry("shapes.dot", lambda: "a dot"))
    shapes = Registry("shapes", package)
    assert shapes.get("dot") == "a dot"
    with pytest.raises(UnknownOption, match="the shape 'star' cannot be loaded: no module named 'stars'"):
        shapes.get("star")


def test_a_built_in_plugin_is_not_replaced(package, monkeypatch):
    other_distributions(monkeypatch, Entry("shapes.round", lambda: "another circle"))
    shapes = Registry("shapes", package)
    assert shapes.names() == ["round", "square"]
    assert shapes.get("round") == "a circle"


def test_plugins_are_checked_when_they_register(package):
    def check(name, plugin):
        if plugin == "a circle":
            raise ValueError(name)

    with pytest.raises(ValueError, match="round"):
        Registry("shapes", package, check=check).get("round")


def test_the_same_name_twice(package):
    shapes = Registry("shapes", package)
    shapes.register("line", "one")
    shapes.register("line", "one")
    with pytest.raises(UnknownOption, match="two shapes are called 'line'"):
        shapes.register("line", "two")


def test_one_registry_per_kind():
    assert plugins("decorators") is plugins("decorators")
    assert plugins("decorators").get("retry").name == "retry"
