"""Names for the shapes of data that cross between parts."""

from __future__ import annotations

from typing import Any, Union

__all__ = ["Json", "JsonObject"]

# Values that json.loads can return. Not recursive, because Python 3.9's checkers cannot say it.
Json = Union[None, bool, int, float, str, list[Any], dict[str, Any]]
JsonObject = dict[str, Any]
