"""The decorators, one file each, and what follows from several of them on one step (`policy.py`)."""

from ..contracts.decorator import check_decorator as check_plugin

__all__ = ["check_plugin"]
