"""The splits that a foreach step leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Splits"]


@dataclass(frozen=True)
class Splits:
    """What a foreach step leaves: `values[i]` is the artifact record of element i, `labels` may be empty."""

    count: int
    values: Sequence[Any] = ()
    labels: Sequence[str] = ()
