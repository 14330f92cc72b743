"""Indexes, one file each, found by name: quick lookup over a store, rebuilt from it at any time.

An index module ends with ``PLUGIN = <class>``; the class is called with (address, fill, identity) and
keeps the contract in ``contracts/index.py``. `fill(index)` merges in the rows of the store;
`identity()` is what no other store has, None as long as there is no store at all.
"""
from __future__ import annotations

from typing import Any

from ..contracts.index import Index
from ..errors import InternalError

__all__ = ["check_plugin"]


def check_plugin(name: str, plugin: Any) -> None:
    """InternalError naming what an index lacks; called once, when it registers."""
    verbs = [verb for verb in vars(Index) if not verb.startswith("_") and callable(getattr(Index, verb))]
    missing = [verb for verb in verbs if not callable(getattr(plugin, verb, None))]
    if getattr(plugin, "name", None) != name:
        missing.append(f"name = {name!r}")
    if missing:
        raise InternalError(f"the index {name!r} does not keep its contract: it lacks {', '.join(missing)}")
