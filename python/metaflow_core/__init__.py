"""The core that the R package `metaflow` drives: graph rules, datastore, engine, client. Importing it does nothing."""

__all__ = ["__version__"]

__version__ = "0.1.0"
