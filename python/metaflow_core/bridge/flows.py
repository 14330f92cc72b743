"""Flows as data: check and show, and the files that a run of one keeps."""

from __future__ import annotations

import os
from typing import Any

from ..engine.start import checked_spec
from ..graph.flow import FlowSpec
from ..store.snapshot import folder_snapshot
from .sessions import settings_of

__all__ = ["METHODS"]


def check(spec: dict[str, Any], extra: list[dict[str, Any]] | None = None, folder: str | None = None) -> dict[str, Any]:
    checked = checked_spec(spec, extra, folder)
    return {"flow": checked.name, "steps": len(checked.steps)}


def show(spec: dict[str, Any], format: str = "text", unicode: bool = True, width: int = 80) -> str:
    from ..graph.render import render

    return render(FlowSpec.from_dict(spec), format, ascii=not unicode, width=width)


def package(settings: dict[str, Any], script: str) -> dict[str, Any]:
    """The files that a run of this script would keep: {"files": [{"name", "path", "size_bytes"}], "left_out":
    sentences}."""
    loaded = settings_of(settings)
    folder, name = os.path.split(script)
    found = folder_snapshot(folder, loaded.package_suffixes, loaded.package_max_megabytes * 1e6, always=(name,))
    files = [{"name": inside, "path": path, "size_bytes": os.path.getsize(path)} for inside, path in found.files]
    return {"files": files, "left_out": found.left_out}


METHODS = {"check": check, "show": show, "package": package}
