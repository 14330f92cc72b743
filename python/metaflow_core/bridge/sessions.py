"""Settings and stores that the calls of one R session share."""

from __future__ import annotations

from typing import Any

from ..settings import Settings, load_settings, share_credentials
from ..store.open import Store, open_store

__all__ = ["PLACE", "settings_of", "store_of"]

# The settings that make two datastores different ones, or reached differently.
PLACE = ("datastore", "datastore_root", "s3_endpoint_url", "cache_folder", "cache_max_megabytes", "index")

_stores: dict[tuple[str, ...], Store] = {}


def settings_of(request: dict[str, Any]) -> Settings:
    """`request` may have "environment" (of the R session), "options" (of R) and "arguments" (of the call); later
    wins."""
    if request.get("environment") is not None:
        share_credentials(request["environment"])
    return load_settings(
        options=request.get("options") or {},
        arguments=request.get("arguments") or {},
        environ=request.get("environment"),
    )


def store_of(settings: Settings) -> Store:
    key = tuple(str(getattr(settings, name)) for name in PLACE)
    if key not in _stores:
        _stores[key] = open_store(settings)
    return _stores[key]
