"""Facts about this installation."""

from __future__ import annotations

import sys
from typing import Any

from .. import __version__
from ..settings import explain
from .sessions import settings_of

__all__ = ["METHODS"]


def settings(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of name, value and source, secrets hidden."""
    return explain(settings_of(settings))


def versions() -> dict[str, Any]:
    return {"metaflow": __version__, "python": sys.version.split()[0], "executable": sys.executable}


METHODS = {"settings": settings, "versions": versions}
