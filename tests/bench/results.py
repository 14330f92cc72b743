"""RESULTS.md: the newest figures of each group of rows, with the day on which they were measured."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from timing import RUNS, Row, markdown

HEAD = (
    f"# Benchmarks\n\n{os.cpu_count()} cores, min / median / max of {RUNS} runs or more. Compare ratios, not machines: "
    "the rows of one group were measured in one run, beside their floors.\n"
)


def replace_groups(path: Path, measured: dict[str, list[Row]], order: Sequence[str]) -> None:
    """Write the table of each group in `measured`; those of other groups stay as they are."""
    sections = _sections(path)
    for group, rows in measured.items():
        day = time.strftime("%Y-%m-%d")
        sections[group] = (
            f"## {group}\n\nMeasured on {day} on a machine that starts R in {_r_start_seconds():.2f} s.\n\n{markdown(rows)}\n"
        )
    path.write_text("\n".join([HEAD, *(sections[group] for group in order if group in sections)]), encoding="utf-8")


def _r_start_seconds() -> float:
    """How fast the machine was then: the same program takes 0.11 s on one and 0.27 s on another."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(["Rscript", "--vanilla", "-e", "1"], check=True, capture_output=True)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def _sections(path: Path) -> dict[str, str]:
    """{group: its text} of what is there."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    found = {}
    for part in text.split("\n## ")[1:]:
        found[part.split("\n", 1)[0]] = "## " + part.rstrip("\n") + "\n"
    return found
