"""Flows as data: check and show."""

from __future__ import annotations

from typing import Any

from ..engine.start import checked_spec
from ..graph.flow import FlowSpec

__all__ = ["METHODS"]


def check(spec: dict[str, Any], extra: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    checked = checked_spec(spec, extra)
    return {"flow": checked.name, "steps": len(checked.steps)}


def show(spec: dict[str, Any], format: str = "text", unicode: bool = True, width: int = 80) -> str:
    from ..graph.render import render

    return render(FlowSpec.from_dict(spec), format, ascii=not unicode, width=width)


METHODS = {"check": check, "show": show}
