"""Many small tasks, each in a process of its own: what one more task costs, and whether it stays linear."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from timing import RUNS, Folder, Row, alternate, floor_numbers

HOW = "make bench ROWS=tasks"


def rows() -> list[Row]:
    found = []
    with Folder() as folder:
        small, large, fork, forks = alternate(
            lambda: wide(folder, 200), lambda: wide(folder, 2000), lambda: bare_forks(1), lambda: bare_forks(2),
            runs=min(RUNS, 5),
        )
    margin = [1000 * (b - a) / 1800 for a, b in zip(small, large)]
    found.append(Row("foreach of 200, whole job", small, "s", [], "", "<= 2.3 s", HOW))
    found.append(Row("one more task (2000 minus 200)", margin, "ms", fork, "bare fork round trip", "<= 6 ms", HOW))
    found.append(Row("the same", margin, "ms", forks, "bare fork, two processes forking at once", "", HOW))
    found += very_wide()
    return found


def bare_forks(processes: int) -> float:
    """Milliseconds for one bare fork, where so many processes fork at once: two cores may do less than twice as much."""
    with ThreadPoolExecutor(processes) as pool:
        rounds = list(pool.map(lambda _: floor_numbers("fork", "1")[0][0], range(processes)))
    return 1000 * max(rounds) / (200 * processes)


def very_wide() -> list[Row]:
    thousand, seconds, memory, gather = [], [], [], []
    with Folder() as folder:
        for _ in range(RUNS):
            thousand.append(wide(folder, 1000))
            seconds.append(folder.run("/usr/bin/time", "-v", "-o", "time.txt", *command(10_000))[0])
            text = (Path(folder.path) / "time.txt").read_text(encoding="utf-8")
            memory.append(int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", text).group(1)) * 1024 / 1e6)
            gather.append(gather_seconds(folder))
        fails = Path(folder.path) / "fail"
        fails.touch()
        folder.run(*command(10_000), check=False)
        fails.unlink()
        failed = newest_run(folder)
        resume, start = alternate(
            lambda: folder.run("Rscript", _flow(), "resume", "--origin-run-id", failed)[0],
            lambda: folder.flow("hello")[0],
        )
    return [
        Row(
            "foreach of 10,000, per task",
            [1e3 * t / 10_000 for t in seconds],
            "ms",
            [1e3 * t / 1000 for t in thousand],
            "per task of 1,000",
            "ratio <= 1.2",
            HOW,
        ),
        Row("largest process of a foreach of 10,000", memory, "MB", [], "", "<= 300 MB", HOW),
        Row("gather_inputs() over 10,000 artifacts", gather, "s", [], "", "<= 2 s", HOW),
        Row("resume of 10,002 tasks, over start-up", [a - b for a, b in zip(resume, start)], "s", [], "", "<= 1.5 s", HOW),
    ]


def command(n: int) -> tuple[str, ...]:
    return ("Rscript", _flow(), "run", "--n", str(n))


def _flow() -> str:
    from timing import HERE

    return str(HERE / "flows" / "wide.R")


def wide(folder: Folder, n: int) -> float:
    return folder.run(*command(n))[0]


def newest_run(folder: Folder) -> str:
    return json.loads(folder.flow("wide", "list", "--json")[1])[0]["run"]


def gather_seconds(folder: Folder) -> float:
    shown = folder.flow("wide", "dump", f"{newest_run(folder)}/join", "--include", "gather_seconds")[1]
    return float(re.search(r"num ([0-9.e+-]+)", shown).group(1))
