"""Finds the function of a step in the run's code package: "steps.py:train", or "package.module:train"."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any, Callable

from .failure import WorkerError

__all__ = ["add_folders", "is_file", "load_function", "unpacked"]


def is_file(place: str) -> bool:
    return place.endswith(".py")


def unpacked(package: str, folder: str) -> str:
    """Where the files of the code package are. Unpacked once, by whoever comes first, under the name of the package."""
    target = os.path.join(folder, os.path.basename(package))
    if os.path.isdir(target):
        return target
    import shutil
    import tempfile

    from ..store.package import extract_package

    os.makedirs(folder, exist_ok=True)
    part = tempfile.mkdtemp(dir=folder)
    extract_package(package, part)
    try:
        os.rename(part, target)
    except OSError:
        shutil.rmtree(part, ignore_errors=True)
        if not os.path.isdir(target):
            raise
    return target


def add_folders(code: str, functions: Iterable[str]) -> None:
    """What stands beside the file of any step can be imported, and unpickled, in all of them."""
    folders = [code]
    for function in functions:
        place = function.rpartition(":")[0]
        if is_file(place):
            folders.append(os.path.join(code, os.path.dirname(place)).rstrip("/"))
    for folder in reversed([*dict.fromkeys(folders)]):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    importlib.invalidate_caches()


def load_function(function: str, code: str) -> Callable[..., Any]:
    place, _, name = function.rpartition(":")
    module: Any = _load_file(os.path.join(code, place)) if is_file(place) else importlib.import_module(place)
    found = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        raise WorkerError(f"'{place}' has no function '{name}'.", hint="Define it there: def " + name + "(self): ...")
    return found


def _load_file(path: str) -> ModuleType:
    from importlib.util import module_from_spec, spec_from_file_location

    folder, file = os.path.split(path)
    if folder in sys.path:
        sys.path.remove(folder)
    sys.path.insert(0, folder)
    name = re.sub(r"\W", "_", file[: -len(".py")])
    known = sys.modules.get(name)
    if known is not None:
        if getattr(known, "__file__", None) == path:
            return known
        name = f"metaflow_step_{name}"  # "random.py" beside the flow is not Python's own
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.exists(path):
        raise WorkerError(f"The file '{file}' is not in the code package of the run.")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
