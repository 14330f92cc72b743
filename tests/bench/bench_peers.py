"""The same flows by others, in turn with ours: Metaflow and Prefect of Python, where BENCH_PEERS names a Python that has them."""

from __future__ import annotations

import os
import subprocess
import sys

from timing import HERE, Folder, Row, alternate

HOW = "BENCH_PEERS=/path/of/python make bench ROWS=peers"
_VERSION = "import importlib.metadata, sys; print(importlib.metadata.version(sys.argv[1]))"


def rows() -> list[Row]:
    wide = ("wide", "run", "--n", "200")
    compared = [
        _beside("branch flow, 5 steps", ("branch",), "metaflow", "metaflow_branch", "run"),
        _beside("foreach of 200", wide, "metaflow", "metaflow_wide", "run", "--max-num-splits", "200"),
        _beside("foreach of 200", wide, "prefect", "prefect_wide"),
    ]
    return [row for row in compared if row is not None]


def _beside(title: str, ours: tuple[str, ...], peer: str, script: str, *words: str) -> Row | None:
    python = os.environ.get("BENCH_PEERS", sys.executable)
    version = subprocess.run([python, "-c", _VERSION, peer], capture_output=True, text=True, check=False).stdout.strip()
    if not version:
        print(f"{peer} is not installed for {python}", file=sys.stderr)
        return None
    with Folder() as folder:
        # What a peer writes goes into the folder, too.
        settings = {"HOME": folder.path, "PREFECT_HOME": f"{folder.path}/prefect", "USERNAME": "bench"}
        mine, theirs = alternate(
            lambda: folder.flow(*ours)[0],
            lambda: folder.run(python, str(HERE / "peers" / f"{script}.py"), *words, **settings)[0],
        )
    return Row(title, mine, "s", theirs, f"{peer} {version} for Python", "", HOW)
