"""The random numbers of a task: those of Python, and those of NumPy whenever it is imported."""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["seed_task"]


def seed_task(seed: int) -> None:
    import random

    random.seed(seed)
    loaded = sys.modules.get("numpy.random")
    if loaded is not None:
        loaded.seed(seed)
    else:
        sys.meta_path.insert(0, _WhenImported(seed))


class _WhenImported:
    """Seeds numpy.random right after it was loaded. NumPy is not imported for a step that does not use it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != "numpy.random":
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)  # type: ignore[arg-type]
        spec = find_spec(name)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_seed(module: Any) -> None:
            execute(module)
            module.seed(self.seed)

        spec.loader.exec_module = execute_and_seed  # type: ignore[method-assign]
        return spec
