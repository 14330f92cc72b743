"""Plugins: where tasks run. One file each, found by name; the contract is contracts/backend.py."""
