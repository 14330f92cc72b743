"""Plugins: where tasks run. One file each, found by name; the contract is contracts/backend.py."""

from ..contracts.backend import check_backend as check_plugin

__all__ = ["check_plugin"]
