"""Settings and stores that the calls of one R session share."""

from __future__ import annotations

from typing import Any

from ..settings import Settings, load_settings
from ..store.open import Store, open_store

__all__ = ["settings_of", "store_of"]

_stores: dict[tuple[str, str, str], Store] = {}


def settings_of(request: dict[str, Any]) -> Settings:
    """`request` may have "environment" (of the R session), "options" (of R) and "arguments" (of the call); later wins."""
    return load_settings(
        options=request.get("options") or {}, arguments=request.get("arguments") or {}, environ=request.get("environment")
    )


def store_of(settings: Settings) -> Store:
    key = (settings.datastore, settings.datastore_root, settings.index)
    if key not in _stores:
        _stores[key] = open_store(settings)
    return _stores[key]
