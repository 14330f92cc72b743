"""A flow as inert data, and the rules about it. No files, no clock, no environment."""
