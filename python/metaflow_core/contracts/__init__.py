"""The plugin contracts: one small file per kind. Imports nothing of the machine."""
