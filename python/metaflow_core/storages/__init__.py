"""Storages, one file each, found by name: where keys and their bytes are kept.

A storage module ends with ``PLUGIN = <class>``; the class is called with the root of the
datastore (a folder or an address) and keeps the contract in ``contracts/storage.py``.
"""
from __future__ import annotations

from typing import Any

from ..contracts.storage import Storage, StorageCapabilities
from ..errors import InternalError

__all__ = ["check_plugin"]


def check_plugin(name: str, plugin: Any) -> None:
    """InternalError naming what a storage lacks; called once, when it registers."""
    verbs = [verb for verb in vars(Storage) if not verb.startswith("_") and callable(getattr(Storage, verb))]
    missing = [verb for verb in verbs if not callable(getattr(plugin, verb, None))]
    if getattr(plugin, "name", None) != name:
        missing.append(f"name = {name!r}")
    if not isinstance(getattr(plugin, "capabilities", None), StorageCapabilities):
        missing.append("capabilities")
    if missing:
        raise InternalError(f"the storage {name!r} does not keep its contract: it lacks {', '.join(missing)}")
