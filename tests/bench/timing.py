"""Measuring: commands as whole processes, floors beside them in the same run, and the table that comes of it."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
RUNS = int(os.environ.get("BENCH_RUNS", "5"))
# Not that of the tests' environment: reticulate loads NumPy wherever it is, and a flow needs none.
PYTHON = os.environ.get("METAFLOW_PYTHON", "/usr/bin/python3")


@dataclass
class Row:
    """One line of the table. `figures` in `unit`; `floor` is what the figure cannot beat, in the same unit."""

    name: str
    figures: list[float]
    unit: str
    floor: list[float] = field(default_factory=list)
    floor_name: str = ""
    goal: str = ""
    repeat: str = ""

    def ratio(self) -> float | None:
        return statistics.median(self.figures) / statistics.median(self.floor) if self.floor else None

    def cells(self) -> list[str]:
        low, middle, high = min(self.figures), statistics.median(self.figures), max(self.figures)
        floor = f"{statistics.median(self.floor):.3g} {self.unit}, {self.floor_name}" if self.floor else ""
        ratio = self.ratio()
        return [
            self.name, f"{low:.3g} / {middle:.3g} / {high:.3g} {self.unit}", self.goal, floor,
            "" if ratio is None else f"{ratio:.2f}", self.repeat,
        ]


class Folder:
    """An empty folder to run flows in, with a datastore and settings of its own."""

    def __enter__(self) -> Folder:
        self.path = tempfile.mkdtemp(prefix="metaflow-bench-")
        return self

    def __exit__(self, *exc: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def environment(self, **extra: str) -> dict[str, str]:
        return {
            **os.environ, "METAFLOW_DATASTORE_ROOT": f"{self.path}/store", "METAFLOW_HOME": f"{self.path}/home",
            "METAFLOW_PYTHON": PYTHON, "TZ": "UTC", **extra,
        }

    def run(self, *words: str, check: bool = True, **extra: str) -> tuple[float, str]:
        """(wall seconds, stdout) of a command."""
        began = time.perf_counter()
        done = subprocess.run(
            words,
            cwd=self.path,
            env=self.environment(**extra),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        seconds = time.perf_counter() - began
        if check and done.returncode != 0:
            raise SystemExit(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        return seconds, done.stdout

    def flow(self, name: str, *words: str, check: bool = True, **extra: str) -> tuple[float, str]:
        return self.run("Rscript", str(HERE / "flows" / f"{name}.R"), *words, check=check, **extra)


def floor_numbers(name: str, *words: str) -> list[list[float]]:
    """What floor.R prints: one list of numbers per round."""
    done = subprocess.run(
        ["Rscript", "--vanilla", str(HERE / "floor.R"), name, *words], capture_output=True, text=True, check=True
    )
    return [[float(number) for number in line.split()] for line in done.stdout.splitlines() if line.strip()]


def alternate(*actions, runs: int = RUNS) -> list[list[float]]:
    """Seconds of each action, run in turn (A B A B ...) after one warm-up of each, so that drift hits all alike."""
    found: list[list[float]] = [[] for _ in actions]
    for number in range(runs + 1):
        for place, action in enumerate(actions):
            seconds = action()
            if number:
                found[place].append(seconds)
    return found


def markdown(rows: list[Row]) -> str:
    head = ["benchmark", "min / median / max", "goal", "floor (median)", "ratio", "how to repeat"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(row.cells()) + " |" for row in rows]
    return "\n".join(lines)
