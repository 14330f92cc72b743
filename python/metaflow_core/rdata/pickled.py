"""Python objects that have no meaning in R: kept pickled in a small R object, which R prints and passes on."""

from __future__ import annotations

import sys
from typing import Any

from . import build
from .errors import UnreadableR, Unstorable
from .node import Node

__all__ = ["pickle_bytes", "pickled", "unpickle_bytes", "unpickled"]

_SHOWN = 500


def pickled(value: Any) -> Node:
    """list(type, text, python, packages, pickle) of class metaflow_python_object."""
    kind = type(value)
    library = kind.__module__.partition(".")[0]
    version = getattr(sys.modules.get(library), "__version__", None)
    fields = {
        "type": build.character([f"{kind.__module__}.{kind.__qualname__}"]),
        "text": build.character([_shown(value)]),
        "python": build.character([".".join(map(str, sys.version_info[:3]))]),
        "packages": build.character([f"{library} {version}"] if isinstance(version, str) else []),
        "pickle": build.raw_bytes(pickle_bytes(value)),
    }
    return build.attributed(
        build.generic(list(fields.values())),
        {"names": build.character(fields), "class": build.character(["metaflow_python_object"])},
    )


def unpickled(node: Node) -> Any:
    names = node.attribute("names").texts()  # type: ignore[union-attr]
    fields = dict(zip(names, node.value))
    return unpickle_bytes(fields["pickle"].value, fields["type"].text(), fields["packages"].texts())


def pickle_bytes(value: Any) -> bytes:
    """By reference where that is possible, so that a class is the same class in every step; else by value."""
    import io
    import pickle

    if isinstance(value, io.IOBase):
        # cloudpickle would keep what is in the file, which is not what was assigned.
        raise _unstorable(value, "it is open")
    try:
        return pickle.dumps(value, protocol=5)
    except Exception as problem:  # noqa: BLE001 - pickling runs the code of any class
        try:
            import cloudpickle
        except ImportError:
            raise _unstorable(value, problem) from problem
        try:
            return cloudpickle.dumps(value, protocol=5)
        except Exception as second:  # noqa: BLE001
            raise _unstorable(value, second) from second


def unpickle_bytes(data: Any, name: str = "a Python object", made_with: Any = ()) -> Any:
    import pickle

    try:
        return pickle.loads(data)
    except Exception as problem:  # noqa: BLE001 - unpickling runs the code of any class
        made = f" It was made with {', '.join(made_with)}." if made_with else ""
        raise UnreadableR(
            f"{name} cannot be rebuilt here: {type(problem).__name__}: {problem}",
            hint=f"The package or module that it belongs to must be installed where it is read.{made}",
        ) from problem


def _unstorable(value: Any, problem: object) -> Unstorable:
    return Unstorable(
        f"a value of type {type(value).__module__}.{type(value).__qualname__} cannot be kept: {problem}",
        hint="Assign the values that it gives; what is open or running ends with its task.",
    )


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a repr of the user's
        return ""
    text = text.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."
