"""A JSON value in the words of R, for messages whose reader wrote R."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["r_literal"]

TEXT_MAXIMUM = 60
ITEMS_MAXIMUM = 5


def r_literal(value: Any) -> str:
    """How R would write `value`, shortened: TRUE, "text", c(1, 2). A named list is only called that."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, str):
        return _quoted(value if len(value) <= TEXT_MAXIMUM else value[: TEXT_MAXIMUM - 3] + "...")
    if isinstance(value, (list, tuple)):
        inner = ", ".join(r_literal(item) for item in value[:ITEMS_MAXIMUM])
        return f"c({inner}{', ...' if len(value) > ITEMS_MAXIMUM else ''})"
    if isinstance(value, Mapping):
        return "a named list"
    return f"{value:.15g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
