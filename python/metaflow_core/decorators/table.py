"""All decorators that come with the package, as plain data."""

from __future__ import annotations

from ..registry import plugins
from ..types import JsonObject

__all__ = ["decorator_table"]


def decorator_table() -> JsonObject:
    """{name: {"level", "help", "aliases", "args", "other_args", "conflicts", "not_on"}}"""
    known = plugins("decorators")
    return {name: known.get(name).to_dict() for name in known.builtin_names()}
