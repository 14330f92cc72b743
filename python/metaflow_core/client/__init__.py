"""Reading what runs produced: plain functions that return JSON-able data. Begin with `Session`."""
from __future__ import annotations

from .session import Session

__all__ = ["Session"]
