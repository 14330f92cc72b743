"""Texts of configurations: YAML and TOML as plain data. R reads JSON itself, and YAML when it has its package."""

from __future__ import annotations

import datetime
from typing import Any

from .errors import MissingExtra, ParameterError

__all__ = ["parse_text"]


def parse_text(text: str, format: str) -> Any:
    """Plain data; dates and times as texts. ParameterError for a text that is wrong, MissingExtra without a reader."""
    return _plain(_toml(text) if format == "toml" else _yaml(text))


def _toml(text: str) -> Any:
    try:
        import tomllib as reader
    except ImportError:
        try:
            import tomli as reader
        except ImportError:
            raise MissingExtra(
                "TOML cannot be read: this Python is older than 3.11 and has no 'tomli'",
                hint="Install it with metaflow::install_metaflow(), or write the configuration as JSON.",
            ) from None
    try:
        return reader.loads(text)
    except reader.TOMLDecodeError as problem:
        raise ParameterError(str(problem)) from None


def _yaml(text: str) -> Any:
    try:
        import yaml
    except ImportError:
        raise MissingExtra(
            "YAML cannot be read: neither R's package 'yaml' nor Python's 'PyYAML' is installed",
            hint='Install one of them, as with install.packages("yaml"), or write the configuration as JSON.',
        ) from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ParameterError(" ".join(str(problem).split())) from None


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [_plain(item) for item in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return value
