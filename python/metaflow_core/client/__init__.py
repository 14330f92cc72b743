"""Reading what runs produced: plain functions and classes that return JSON-able data."""
