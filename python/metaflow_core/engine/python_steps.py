"""Steps in Python, looked at before anything runs: is there such a file, does it parse, is the function in it?

The code is read and never imported, so that a check runs nothing of the user's.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from ..graph.flow import FlowSpec
from ..graph.problem import Problem
from ..graph.step import StepSpec
from ..nearest import did_you_mean
from ..store.blobs import digest_of

__all__ = ["code_digests", "code_files", "code_folder", "functions_of", "python_problems"]

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def code_folder(request: Mapping[str, Any]) -> str:
    """The folder of the script; of a flow that was typed in a session, where the session is."""
    script = request.get("script")
    return os.path.dirname(script) if script else request.get("cwd") or os.getcwd()


def functions_of(spec: FlowSpec) -> dict[str, str]:
    """{step: "steps.py:train"} of the steps in Python."""
    return {step.name: step.function for step in spec.steps if step.language == "python" and step.function}


def code_files(spec: FlowSpec) -> set[str]:
    """The files, below the flow's folder, that steps name."""
    places = (function.rpartition(":")[0] for function in functions_of(spec).values())
    return {os.path.normpath(place).replace(os.sep, "/") for place in places if place.endswith(".py")}


def code_digests(spec: FlowSpec, folder: str) -> dict[str, str]:
    """{step: digest of the file that its function is in}, of those in the flow's folder."""
    found = {}
    for step, function in functions_of(spec).items():
        place, _, name = function.rpartition(":")
        path = _beside(place, folder)
        if path is not None:
            with open(path, "rb") as file:
                found[step] = digest_of(file.read() + name.encode())
    return found


def python_problems(spec: FlowSpec, folder: str) -> list[Problem]:
    """Everything that is wrong with the functions of steps in Python. `folder` is that of the script."""
    return [
        problem
        for step in spec.steps
        if step.language == "python" and step.function
        for problem in _problems(step, folder)
    ]


def _problems(step: StepSpec, folder: str) -> Iterator[Problem]:
    place, _, name = (step.function or "").rpartition(":")
    path, problem = (
        _file_problem(step, place, folder) if place.endswith(".py") else _module_problem(step, place, folder)
    )
    if problem is not None:
        yield problem
    if path is None or problem is not None:
        return
    try:
        with open(path, "rb") as file:
            tree = ast.parse(file.read(), path)
    except (SyntaxError, ValueError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        words = error.msg if isinstance(error, SyntaxError) else str(error)
        text = f": {error.text.strip()}" if isinstance(error, SyntaxError) and error.text else ""
        yield Problem(
            "python_syntax",
            step.name,
            f"the code of step '{step.name}' is not Python: {os.path.basename(path)}{line}: {words}{text}",
        )
        return
    yield from _function_problems(step, place, name, tree)


def _file_problem(step: StepSpec, place: str, folder: str) -> tuple[str | None, Problem | None]:
    where = os.path.normpath(place)
    if os.path.isabs(where) or where.split(os.sep)[0] == "..":
        return None, Problem(
            "python_outside",
            step.name,
            f"the file '{place}' of step '{step.name}' is not in the folder of the flow",
            "A flow travels with its folder: put the file beside the script or below it, and name it from there.",
        )
    path = os.path.join(folder, where)
    if os.path.isfile(path):
        return path, None
    beside = os.path.join(folder, os.path.dirname(where))
    known = [name for name in (os.listdir(beside) if os.path.isdir(beside) else []) if name.endswith(".py")]
    return None, Problem(
        "python_no_file",
        step.name,
        f"step '{step.name}' is in the file '{place}', which does not exist",
        did_you_mean(os.path.basename(where), known) or "It is looked for in the folder of the script.",
    )


def _module_problem(step: StepSpec, place: str, folder: str) -> tuple[str | None, Problem | None]:
    path = _beside(place, folder)
    if path is not None:
        return path, None
    top, *below = place.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    if spec is not None:
        # Only the outermost package is looked up by name: looking for what is below would import it.
        origin = spec.origin if not below else _below(list(spec.submodule_search_locations or ()), below)
        if not below or origin is not None:
            return (origin if origin and origin.endswith(".py") else None), None
    return None, Problem(
        "python_no_module",
        step.name,
        f"step '{step.name}' is in the Python module '{place}', which is not there",
        'It is looked for beside the script and in the Python environment of metaflow; '
        'a file is named with its ending: "steps.py:train".',
    )


def _below(folders: list[str], parts: list[str]) -> str | None:
    for folder in folders:
        base = os.path.join(folder, *parts)
        for path in (base + ".py", os.path.join(base, "__init__.py")):
            if os.path.isfile(path):
                return path
        parent, stem = os.path.split(base)
        for name in sorted(os.listdir(parent)) if os.path.isdir(parent) else ():
            if name.startswith(stem + ".") and name.endswith((".so", ".pyd")):
                return os.path.join(parent, name)
    return None


def _beside(place: str, folder: str) -> str | None:
    """The source file of a file or module in the flow's folder."""
    if place.endswith(".py"):
        path = os.path.join(folder, place)
        return path if os.path.isfile(path) else None
    base = os.path.join(folder, *place.split("."))
    return next((path for path in (base + ".py", os.path.join(base, "__init__.py")) if os.path.isfile(path)), None)


def _function_problems(step: StepSpec, place: str, name: str, tree: ast.Module) -> Iterator[Problem]:
    bound = _bound(tree.body)
    if name.partition(".")[0] not in bound:
        if "*" not in bound and "__getattr__" not in bound:
            functions = [key for key, node in bound.items() if isinstance(node, _FUNCTIONS)]
            yield Problem(
                "python_no_function",
                step.name,
                f"step '{step.name}' is the function '{name}' of '{place}', which has none of that name",
                did_you_mean(name, functions)
                or f"Define it there: def {name}(self{', inputs' if step.join else ''}): ...",
            )
        return
    node = bound[name.partition(".")[0]]
    if not isinstance(node, _FUNCTIONS) or "." in name:
        return
    if not isinstance(node, ast.AsyncFunctionDef) and _yields(node):
        yield Problem(
            "python_yields",
            step.name,
            f"the function '{name}' of step '{step.name}' has 'yield' in it, so that calling it does nothing",
            "Assign results to self.",
        )
    if node.decorator_list:
        return  # it may be called with anything
    least, most = _arity(node.args)
    wanted = 2 if step.join else 1
    if not least <= wanted <= most:
        shape = "(self, inputs)" if step.join else "(self)"
        kind = "is a join" if step.join else "is not a join"
        yield Problem(
            "wrong_arity",
            step.name,
            f"step '{step.name}' {kind}, so its function '{name}' must take {shape}",
            f"Write def {name}{shape}: ..."
            if step.join or least != 2
            else f"Write def {name}(self): ..., or add join = TRUE when the step joins a split.",
        )


def _arity(arguments: ast.arguments) -> tuple[int, float]:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    required_by_name = sum(default is None for default in arguments.kw_defaults)
    least = positional - len(arguments.defaults)
    return least, -1 if required_by_name else float("inf") if arguments.vararg else positional


def _bound(body: Iterable[ast.stmt]) -> dict[str, ast.AST]:
    """What a module defines at its top, also under `if` and `try`; "*" when it takes over all of another module."""
    found: dict[str, ast.AST] = {}
    for node in body:
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            found[node.name] = node
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found.update({(alias.asname or alias.name).partition(".")[0]: node for alias in node.names})
        elif isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)):
            for target in ast.walk(node):
                if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store):
                    found[target.id] = node
        else:
            for field in ("body", "orelse", "finalbody"):
                found.update(_bound(getattr(node, field, None) or ()))
            for handler in getattr(node, "handlers", ()):
                found.update(_bound(handler.body))
    return found


def _yields(function: ast.AST) -> bool:
    """Not counting functions inside of it."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (*_FUNCTIONS, ast.Lambda, ast.ClassDef)) and _yields(node):
            return True
    return False
