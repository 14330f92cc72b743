"""Facts about this installation."""

from __future__ import annotations

import json
import sys
from typing import Any

from .. import __version__
from ..settings import explain
from ..structured_text import parse_text as parse
from .sessions import settings_of

__all__ = ["METHODS"]


def settings(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of name, value and source, secrets hidden."""
    return explain(settings_of(settings))


def versions() -> dict[str, Any]:
    return {"metaflow": __version__, "python": sys.version.split()[0], "executable": sys.executable}


def parse_text(text: str, format: str) -> str:
    """A configuration in YAML or TOML, as JSON text."""
    return json.dumps(parse(text, format), ensure_ascii=False)


METHODS = {"settings": settings, "versions": versions, "parse_text": parse_text}
