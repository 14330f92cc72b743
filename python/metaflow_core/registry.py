"""Finds plugins by name.

A kind of plugin is a package folder ("storages"), a plugin is a module in it ("local.py") whose `PLUGIN` is what other
code gets: a class, a value or a function, as the kind's contract says. Another distribution adds one by an entry point
of the group "metaflow_core.plugins" named "<kind>.<name>", for example

    [project.entry-points."metaflow_core.plugins"]
    "storages.azure" = "my_package.azure"          # or "my_package.azure:AzureStorage"

Installed distributions are searched only for a name which is not built in, because that search costs milliseconds.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from functools import cache
from typing import Any

from .errors import UnknownOption
from .nearest import did_you_mean

__all__ = ["ENTRY_POINT_GROUP", "Registry", "plugins"]

ENTRY_POINT_GROUP = "metaflow_core.plugins"


class Registry:
    """The plugins of one kind.

    `check(name, plugin)` raises when the plugin does not keep its contract; it is called once, when the plugin is
    registered. A plugin may have `aliases`, other names it answers to.
    """

    def __init__(self, kind: str, package: str | None = None, check: Callable[[str, Any], None] | None = None) -> None:
        self.kind = kind
        self._package = package or f"metaflow_core.{kind}"
        self._check = check
        self._plugins: dict[str, Any] = {}
        self._aliases: dict[str, str] = {}
        self._broken: dict[str, Exception] = {}
        self._module_names: frozenset[str] | None = None
        self._entries_loaded = False

    def get(self, name: str) -> Any:
        """The plugin called `name`; UnknownOption with a suggestion when there is none."""
        found = self.find(name)
        if found is None and name in self._broken:
            error = self._broken[name]
            raise UnknownOption(
                f"the {self._singular()} '{name}' cannot be loaded: {error}",
                hint="Update or uninstall the Python package which provides it.",
                data={"kind": self.kind, "name": name},
            ) from error
        if found is None:
            raise UnknownOption(
                f"unknown {self._singular()} '{name}'",
                hint=did_you_mean(name, [*self.names(), *self._aliases]),
                data={"kind": self.kind, "name": name, "known": self.names()},
            )
        return found

    def find(self, name: str) -> Any:
        """The plugin called `name` or None."""
        for load in (lambda: self._load_module(name), self._load_modules, self._load_entries):
            found = self._plugins.get(self._aliases.get(name, name))
            if found is not None:
                return found
            load()  # the cheapest way to know more: an alias is known only after its plugin is
        return self._plugins.get(self._aliases.get(name, name))

    def names(self) -> list[str]:
        """Names of all plugins, sorted, without aliases."""
        self._load_modules()
        self._load_entries()
        return sorted(self._plugins)

    def builtin_names(self) -> list[str]:
        """Names of the plugins which come with this package, sorted."""
        self._load_modules()
        return sorted(self._plugins.keys() & self._modules())

    def register(self, name: str, plugin: Any) -> None:
        """Add a plugin. The same name twice is an error: which one is used must not depend on import order."""
        if self._plugins.get(name, plugin) is not plugin:
            raise UnknownOption(f"two {self.kind} are called '{name}'", hint="Rename or uninstall one of them.")
        if self._check is not None:
            self._check(name, plugin)
        self._plugins[name] = plugin
        for alias in getattr(plugin, "aliases", ()):
            self._aliases[alias] = name

    def _singular(self) -> str:
        return {"indexes": "index"}.get(self.kind, self.kind[:-1] if self.kind.endswith("s") else self.kind)

    def _modules(self) -> frozenset[str]:
        if self._module_names is None:
            folder = importlib.import_module(self._package).__path__
            names = (module.name for module in pkgutil.iter_modules(folder))
            self._module_names = frozenset(name for name in names if not name.startswith("_"))
        return self._module_names

    def _load_module(self, name: str) -> None:
        if name not in self._modules() or name in self._plugins:
            return
        module = importlib.import_module(f"{self._package}.{name}")
        # Modules beside the plugins (the shared rules of a kind) simply have no PLUGIN.
        if hasattr(module, "PLUGIN"):
            self.register(name, module.PLUGIN)

    def _load_modules(self) -> None:
        for name in sorted(self._modules()):
            self._load_module(name)

    def _load_entries(self) -> None:
        if self._entries_loaded:
            return
        self._entries_loaded = True
        for entry in _entry_points():
            kind, _, name = entry.name.partition(".")
            if kind == self.kind and name:
                self._load_entry(name, entry)

    def _load_entry(self, name: str, entry: Any) -> None:
        """A broken plugin of somebody else must not break the search for another one: it fails when it is asked for."""
        try:
            loaded = entry.load()
            self.register(name, getattr(loaded, "PLUGIN", loaded))
        except Exception as error:
            self._broken[name] = error


def _entry_points() -> list[Any]:
    from importlib import metadata

    found = metadata.entry_points()
    if hasattr(found, "select"):  # Python 3.10 and later
        return list(found.select(group=ENTRY_POINT_GROUP))
    return list(found.get(ENTRY_POINT_GROUP, ()))


@cache
def plugins(kind: str) -> Registry:
    """The one registry of a kind, for example plugins("decorators"). The kind's package may name a contract check
    by a function `check_plugin(name, plugin)`."""
    package = importlib.import_module(f"metaflow_core.{kind}")
    return Registry(kind, check=getattr(package, "check_plugin", None))
