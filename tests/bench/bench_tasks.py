"""Many small tasks, each in a process of its own: what one more task costs, and whether it stays linear."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor

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
    with Folder() as folder:
        thousand = [wide(folder, 1000) for _ in range(3)]
        seconds, _ = folder.run("/usr/bin/time", "-v", "-o", "time.txt", *command(10_000))
        with open(f"{folder.path}/time.txt", encoding="utf-8") as file:
            memory = int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", file.read()).group(1)) * 1024 / 1e6
        gather = gather_seconds(folder)
        with open(f"{folder.path}/fail", "w", encoding="utf-8"):
            pass
        folder.run(*command(10_000), check=False)
        import os

        os.unlink(f"{folder.path}/fail")
        resume = folder.run("Rscript", _flow(), "resume")[0]
        start = min(folder.flow("hello")[0] for _ in range(3))
    return [
        Row(
            "foreach of 10,000, per task",
            [1e3 * seconds / 10_000],
            "ms",
            [1e3 * t / 1000 for t in thousand],
            "per task of 1,000",
            "ratio <= 1.2",
            HOW,
        ),
        Row("largest process of a foreach of 10,000", [memory], "MB", [], "", "<= 300 MB", HOW),
        Row("gather_inputs() over 10,000 artifacts", [gather], "s", [], "", "<= 2 s", HOW),
        Row("resume of 10,002 tasks, over start-up", [resume - start], "s", [], "", "<= 1.5 s", HOW),
    ]


def command(n: int) -> tuple[str, ...]:
    return ("Rscript", _flow(), "run", "--n", str(n))


def _flow() -> str:
    from timing import HERE

    return str(HERE / "flows" / "wide.R")


def wide(folder: Folder, n: int) -> float:
    return folder.run(*command(n))[0]


def gather_seconds(folder: Folder) -> float:
    listed = json.loads(folder.flow("wide", "list", "--json")[1])
    run = listed[0]["run"]
    shown = folder.flow("wide", "dump", f"{run}/join", "--include", "gather_seconds")[1]
    return float(re.search(r"num ([0-9.e+-]+)", shown).group(1))
