"""make bench-compare REV=...: the table for this tree and for another revision, measured in turn, with ratios.

Both are installed into libraries of their own, so neither touches R's. The bench's own files are this tree's for both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TREE = HERE.parent.parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: make bench-compare REV=<git revision>")
    revision = sys.argv[1]
    with tempfile.TemporaryDirectory(prefix="metaflow-compare-") as folder:
        now = install(TREE, Path(folder) / "now")
        checkout = Path(folder) / "checkout"
        git("worktree", "add", "--detach", str(checkout), revision)
        try:
            then = install(checkout, Path(folder) / "then")
        finally:
            git("worktree", "remove", "--force", str(checkout))
        found: dict[str, tuple[list[float], list[float], str]] = {}
        for _ in range(ROUNDS):
            for place, library in enumerate((then, now)):
                for row in measure(library):
                    entry = found.setdefault(row["name"], ([], [], row["unit"]))
                    entry[place].extend(row["figures"])
    print(f"| benchmark | {revision} (median) | now (median) | now / {revision} |\n|---|---|---|---|")
    for name, (before, after, unit) in found.items():
        if before and after:
            a, b = statistics.median(before), statistics.median(after)
            print(f"| {name} | {a:.3g} {unit} | {b:.3g} {unit} | {b / a:.2f} |")


def install(tree: Path, library: Path) -> Path:
    library.mkdir()
    with tempfile.TemporaryDirectory() as build:
        quiet(["R", "CMD", "build", "--no-build-vignettes", str(tree)], cwd=build)
        package = next(Path(build).glob("metaflow_*.tar.gz"))
        quiet(["R", "CMD", "INSTALL", f"--library={library}", str(package)], cwd=build)
    return library


def measure(library: Path) -> list[dict]:
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        libraries = os.pathsep.join(filter(None, [str(library), os.environ.get("R_LIBS", "")]))
        environment = {**os.environ, "R_LIBS": libraries, "BENCH_JSON": file.name, "BENCH_RUNS": "1"}
        subprocess.run([sys.executable, str(HERE / "run.py")], env=environment, check=True, stdout=subprocess.DEVNULL)
        return json.loads(Path(file.name).read_text(encoding="utf-8"))


def git(*words: str) -> None:
    quiet(["git", "-C", str(TREE), *words])


def quiet(command: list[str], cwd: str | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
