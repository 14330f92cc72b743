"""The only module that R imports. One function, `call(method, payload)`: JSON text in, JSON text out.

Strings, raw vectors and file paths are all that crosses, because automatic conversion between the two languages loses
values silently (NA, large integers, length-one vectors). An error comes back as plain data and is raised on the R side
as a condition of the same class.
"""

from __future__ import annotations

import json
from typing import Any

from .. import __version__
from ..errors import InternalError, to_dict

__all__ = ["call"]

PROTOCOL = 1


def call(method: str, payload: str = "{}") -> str:
    """{"ok": value} or {"error": {"classes", "message", "hint", "data"}}."""
    try:
        handler = _handler(method)
        value = handler(**json.loads(payload))
        return json.dumps({"ok": value}, ensure_ascii=False, allow_nan=False, default=_plain)
    except KeyboardInterrupt:
        return '{"interrupt": true}'
    except Exception as error:  # noqa: BLE001 - the boundary: nothing but data may cross it
        return _failure(error)


def _handler(method: str) -> Any:
    import importlib

    module, _, name = method.partition(".")
    if module == "core":
        return _CORE[name]
    if module not in _MODULES or name.startswith("_"):
        raise InternalError(f"the core has no method '{method}'")
    handlers = importlib.import_module(f".{module}", __name__).METHODS
    if name not in handlers:
        raise InternalError(f"the core has no method '{method}'")
    return handlers[name]


_MODULES = ("runs", "flows", "browse", "setup", "texts", "upkeep", "follow", "s3", "clusters", "debugging",
            "detached")


def _handshake(version: str) -> dict[str, Any]:
    """Both halves come in one package; an R package that found another core says so at once."""
    from .interrupts import answer_without_r

    answer_without_r()
    return {"version": __version__, "protocol": PROTOCOL, "same": version == __version__}


_CORE = {"handshake": _handshake}


def _failure(error: Exception) -> str:
    import traceback

    data = to_dict(error)
    data["traceback"] = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return json.dumps({"error": data}, ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} cannot cross to R")
