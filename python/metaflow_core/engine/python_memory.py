"""What a memoised step in Python is compared by: its function, all Python files that are kept with the run, and what
is installed (python_facts.py). Which of the files a function comes to use is not known, so all of them count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..canonical import canonical_json
from ..graph.flow import FlowSpec
from ..python_facts import digest_of_facts, python_facts
from .fingerprint import short
from .python_steps import functions_of

__all__ = ["PythonCode", "python_code"]

_CODE = (".py", ".pyc", ".so", ".pyd", ".pth", ".zip")


class PythonCode:
    """`steps`: {step: digest of its code}; `facts`: Python and what is installed."""

    def __init__(self, steps: Mapping[str, str], facts: Mapping[str, str]) -> None:
        self.steps = dict(steps)
        self.facts = dict(facts)
        self._digest = digest_of_facts(facts)

    def doubt(self, trace: Mapping[str, Any]) -> str | None:
        """Why a task with this trace cannot stand in for another one: it ran beside other packages than are here."""
        if trace.get("python") == self._digest:
            return None
        return "its worker has another Python, or other packages, than this machine"


def python_code(spec: FlowSpec, files: Mapping[str, str]) -> PythonCode:
    """`files`: {name: digest} of the code package."""
    modules = sorted((name, digest) for name, digest in files.items() if name.endswith(_CODE))
    steps = {step: short(canonical_json([function, modules]).encode()) for step, function in functions_of(spec).items()}
    return PythonCode(steps, python_facts())
