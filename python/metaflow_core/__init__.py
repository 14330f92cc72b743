"""The core that the R package `metaflow` drives: graph rules, datastore, engine, client. Importing it does nothing."""

from __future__ import annotations

from typing import Any

__all__ = ["S3", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What users import from here is above all other parts; it is loaded by who uses it."""
    if name != "S3":
        raise AttributeError(f"module 'metaflow_core' has no attribute '{name}'")
    import importlib

    return importlib.import_module(f"{__name__}.s3.client").S3
