"""Texts side by side."""

from __future__ import annotations

from typing import Any

__all__ = ["METHODS"]


def unified(before: list[str], after: list[str], from_name: str, to_name: str, context: int = 3) -> list[str]:
    """The lines of a unified diff; none when the texts are the same."""
    from difflib import unified_diff

    return list(unified_diff(before, after, from_name, to_name, n=context, lineterm=""))


METHODS: dict[str, Any] = {"unified": unified}
