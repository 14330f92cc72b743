"""What every worker gets first: the run's code, its parameters, and where blobs are on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..store.open import Store

__all__ = ["worker_init"]


def worker_init(store: Store, facts: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """The order that a worker on this machine gets first: `facts` (engine/start.py), with files of this machine.

    Workers start at any time, when copies of blobs may have made room for others, so what they begin with is kept in
    `folder` where the datastore is elsewhere.
    """
    return {
        "code": store.blobs.lasting_path(facts["code"], folder),
        "blobs": store.blobs.folder,
        # Blobs that are not in that folder are asked for (R/worker-need.R).
        "asks": store.work.apart,
        "store": {"datastore": store.storage.name, "datastore_root": store.storage.root},
        "parameters": facts["parameters"],
        "current": facts["current"],
        "trace": facts["trace"],
        **_python_init(store, facts, folder),
    }


def _python_init(store: Store, facts: Mapping[str, Any], folder: str) -> dict[str, Any]:
    """What a Python worker wants to know (pystep/worker.py)."""
    functions = facts.get("functions")
    return {"functions": functions, "package": store.blobs.lasting_path(facts["package"], folder)} if functions else {}
