"""Contracts as test suites: a new implementation is tested by subclassing one."""
