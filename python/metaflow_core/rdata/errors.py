"""What can go wrong between R values and Python values."""

from __future__ import annotations

from ..errors import MetaflowError

__all__ = ["UnreadableR", "Unstorable"]


class UnreadableR(MetaflowError):
    """Bytes that are not an R object, or not one that can be read."""

    r_class = "metaflow_corrupted_error"


class Unstorable(MetaflowError):
    """A Python value that cannot be kept."""

    r_class = "metaflow_attribute_error"
