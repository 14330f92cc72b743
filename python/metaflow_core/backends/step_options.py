"""What a step asks of a cluster, put together from its decorator's arguments, `resources` and the settings; and the
shapes in which R sends such arguments (one string or several, a named list)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..contracts.decorator import StepPolicy

__all__ = ["several", "step_options", "texts"]


def step_options(
    settings: Any, policy: StepPolicy, resources: Mapping[str, Any], configured: Mapping[str, tuple[str, ...]]
) -> dict[str, Any]:
    """The decorator's own word wins over `resources`, and both over the settings. `configured`: names of the settings
    that an option is looked up in, the first that is set wins."""
    options = {name: value for name, value in policy.backend_args.items() if value is not None}
    if policy.retry_memory_mb:
        options.pop("memory", None)  # it grows from attempt to attempt
    for name, value in resources.items():
        if name not in options and value:
            options[name] = value
    for name, sources in configured.items():
        found = [value for value in (getattr(settings, source) for source in sources) if value]
        if name not in options and found:
            options[name] = list(found[0]) if isinstance(found[0], tuple) else found[0]
    return options


def several(value: Any) -> list[Any]:
    """One value, a list of them, or nothing."""
    return [] if value is None else list(value) if isinstance(value, (list, tuple)) else [value]


def texts(values: Mapping[str, Any] | None) -> dict[str, str]:
    return {str(name): str(value) for name, value in (values or {}).items()}
