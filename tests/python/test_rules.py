"""The house rules, as tests: which part may import which, who reads the environment, how files are called."""

import ast
import importlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

CORE = Path(__file__).resolve().parents[2] / "python" / "metaflow_core"
FILES = sorted(path for path in CORE.rglob("*.py") if "__pycache__" not in path.parts)

# Each part may import itself and those before it. `engine`, `client` and `pystep` stand side by side, as do the plugins.
LAYERS = [
    {"base"},
    {"graph", "rdata"},
    {"contracts", "s3"},
    {"storages", "indexes", "backends", "schedulers", "environments", "decorators", "cards"},
    {"store"},
    {"engine", "client", "pystep"},
    {"bridge", "commands", "runners"},
]
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}
PLUGINS = LAYERS[3]

BAD_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}


def name_of(path):
    return str(path.relative_to(CORE))


def part_of(path):
    """The part a file belongs to: its folder, "base" for the files at the top."""
    parts = path.relative_to(CORE).parts
    return "base" if len(parts) == 1 else parts[0]


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def module_of(path):
    parts = ["metaflow_core", *path.relative_to(CORE).with_suffix("").parts]
    return parts[:-1] if parts[-1] == "__init__" else parts


def imports(path):
    """Absolute names of everything that a file imports, lazily too; imports only for type checkers excepted."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path)[:-1]
    for node in runtime_nodes(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = package[: len(package) - node.level + 1] if node.level else []
            yield from ([*origin, *(node.module.split(".") if node.module else []), alias.name] for alias in node.names)


def runtime_nodes(node):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from runtime_nodes(child)


def imported_parts(path):
    for name in imports(path):
        if name[0] == "metaflow_core" and len(name) > 1:
            yield name[1] if (CORE / name[1]).is_dir() else "base"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_go_one_way(path):
    own = part_of(path)
    for other in imported_parts(path):
        assert other in LEVEL, f"the part '{other}' has no place in LAYERS"
        if other == own:
            continue
        assert LEVEL[other] < LEVEL[own], f"{own} must not import {other}"


def test_every_part_has_its_place():
    assert {part_of(path) for path in FILES} <= set(LEVEL)


@pytest.mark.parametrize("path", [path for path in FILES if part_of(path) in PLUGINS], ids=name_of)
def test_plugins_do_not_import_each_other(path):
    own = ["metaflow_core", part_of(path)]
    registered = {other.stem for other in FILES if other.parent == CORE / own[1] and is_plugin(other)}
    for name in imports(path):
        if name[:2] == own and len(name) > 2:
            assert name[2] not in registered - {path.stem}


def is_plugin(path):
    return any(
        isinstance(node, (ast.Assign, ast.ClassDef, ast.FunctionDef)) and "PLUGIN" in bound_names(node)
        for node in tree(path).body
    )


def bound_names(node):
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {node.name}


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "settings.py"], ids=name_of)
def test_only_settings_read_the_environment(path):
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
            assert node.attr not in {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}, (
                f"line {node.lineno}: ask metaflow_core.settings instead"
            )
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not {"environ", "getenv"} & {alias.name for alias in node.names}


def imports_at_load(node):
    """Import statements that run when the module is loaded: functions excepted, the rest included."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        yield from imports_at_load(child)


# sys.stdlib_module_names is new in Python 3.10; the core also runs on 3.9.
STDLIB = getattr(sys, "stdlib_module_names", None)


@pytest.mark.skipif(STDLIB is None, reason="Python 3.9 does not know the names of its own modules")
@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_other_packages_are_imported_on_first_use_only(path):
    for node in imports_at_load(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.level:
            continue
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
        for name in names:
            assert name.split(".")[0] in {*STDLIB, "metaflow_core"}, (
                f"line {node.lineno}: import {name} inside a function"
            )


def public_order(name):
    """CONSTANTS, then Classes, then functions, as ruff sorts them."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_public_names_are_a_sorted_list_of_things_that_exist(path):
    public = [node for node in tree(path).body if isinstance(node, ast.Assign) and "__all__" in bound_names(node)]
    if path.name == "__main__.py" or (path.name == "__init__.py" and not public):
        return
    assert public, "every module says in __all__ what is public"
    names = ast.literal_eval(public[0].value)
    assert names == sorted(set(names), key=public_order)
    module = importlib.import_module(".".join(module_of(path)))
    assert [name for name in names if not hasattr(module, name)] == []


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_are_named_after_what_is_in_them(path):
    assert path.stem not in BAD_NAMES
    assert not {part.lower() for part in path.relative_to(CORE).parts[:-1]} & BAD_NAMES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_file_says_what_it_is_for(path):
    assert ast.get_docstring(tree(path)), "a docstring at the top, one sentence is enough"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_files_parse_in_the_oldest_python(path):
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_importing_the_core_loads_nothing_slow(repository):
    code = "import sys, metaflow_core, metaflow_core.graph.lint, metaflow_core.settings; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=repository / "python", check=True, capture_output=True, text=True
    ).stdout.split()
    slow = {
        "boto3",
        "pyarrow",
        "cloudpickle",
        "numpy",
        "pandas",
        "asyncio",
        "sqlite3",
        "ssl",
        "http",
        "urllib.request",
        "concurrent.futures",
        "multiprocessing",
        "importlib.metadata",
        "typing_extensions",
        "unittest",
    }
    assert not slow & set(loaded)


def test_the_rules_catch_what_they_forbid(tmp_path):
    """The walkers above, on code that breaks each rule."""
    bad = ast.parse(
        "try:\n    import numpy\nexcept ImportError:\n    pass\n"
        "class A:\n    import boto3\n"
        "def f():\n    import pandas\n"
    )
    assert [node.names[0].name for node in imports_at_load(bad)] == ["numpy", "boto3"]
    typed = ast.parse("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy\n")
    assert [node.module for node in imports_at_load(typed)] == ["typing"]
