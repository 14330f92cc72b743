"""Indexes, one file each, found by name: quick lookup over a store, rebuilt from it at any time."""
