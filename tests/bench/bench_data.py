"""Data between steps: from the end of the step's code to its commit, and from the first use to the value."""

from __future__ import annotations

import glob
import json
import os
import re
from pathlib import Path

from timing import RUNS, Folder, Row, floor_numbers

HOW = "make bench ROWS=data"


def rows() -> list[Row]:
    return [
        *_both("100 MB data frame", "frame", ">= 1.2 GB/s"),
        *_both("2e6 strings, 1e6 distinct", "strings", "ratio >= 0.8"),
        *_both("2 GB list of vectors", "list2gb", ">= 1.2 GB/s, memory <= object + 10 %", memory=True),
        _many(),
        *_passed_on(),
    ]


def _both(title: str, kind: str, goal: str, memory: bool = False) -> list[Row]:
    floor, writes, reads, peaks = [], [], [], []
    with Folder() as folder:
        # In turn, each with nothing left to be written to the disk (the kernel slows down whoever writes then), and with the
        # memory of files that are gone.
        for _ in range(RUNS):
            for name in glob.glob(f"{folder.path}/store/blobs/*/*"):
                os.unlink(name)
            os.sync()
            floor.append([min(numbers) for numbers in zip(*floor_numbers(kind, folder.path))])
            size = floor[0][2]
            os.sync()
            _, shown = folder.flow("frame", "run", "--kind", kind)
            ready, read, object_bytes, after = map(float, re.search(r"RESULT (.*)", shown).group(1).split())
            newest = max(glob.glob(f"{folder.path}/store/flows/Data/*/start/1/0/task.json"), key=os.path.getmtime)
            writes.append(size / 1e9 / (os.path.getmtime(newest) - ready))
            reads.append(size / 1e9 / read)
            usage = json.loads(Path(newest).read_text(encoding="utf-8"))["usage"]
            peaks.append((usage["max_rss_bytes"] / object_bytes, after / object_bytes))
    write_floor = [size / 1e9 / numbers[0] for numbers in floor]
    read_floor = [size / 1e9 / numbers[1] for numbers in floor]
    found = [
        Row(f"{title}, write", writes, "GB/s", write_floor, "serialize() to a file", goal, HOW),
        Row(f"{title}, read", reads, "GB/s", read_floor, "unserialize() from a file, in a new process", goal, HOW),
    ]
    if memory:
        for place, which in enumerate(("writing", "reading")):
            name = f"{title}, peak memory of the {which} task / object"
            found.append(Row(name, [peak[place] for peak in peaks], "x", [], "", "<= 1.1", HOW))
    return found


def _many() -> Row:
    seconds = []
    with Folder() as folder:
        for _ in range(RUNS):
            _, shown = folder.flow("many")
            ready = float(re.search(r"RESULT (\S+)", shown).group(1))
            newest = max(glob.glob(f"{folder.path}/store/flows/Many/*/start/1/0/task.json"), key=os.path.getmtime)
            seconds.append(os.path.getmtime(newest) - ready)
    return Row("1,000 small artifacts in one step, to commit", seconds, "s", [], "", "<= 0.3 s", HOW)


def _passed_on() -> list[Row]:
    """What the largest of fifty tasks read and wrote by system calls, all of R's own files included, and the blobs that came of them."""
    with Folder() as folder:
        folder.flow("pass")
        tasks = [
            json.loads(line)
            for name in glob.glob(f"{folder.path}/store/flows/Pass/1/_tasks/all.jsonl")
            for line in Path(name).read_text(encoding="utf-8").splitlines()
        ]
        passed = [task["usage"] for task in tasks if task["step"].startswith("pass")]
        large = [name for name in glob.glob(f"{folder.path}/store/blobs/*/*") if os.path.getsize(name) > 1e6]
    how = "through 50 steps that do not touch it"
    return [
        Row(
            f"100 MB artifact {how}, read by one",
            [task["read_bytes"] / 1e3 for task in passed],
            "kB",
            [],
            "",
            "nothing of it",
            HOW,
        ),
        Row(
            f"100 MB artifact {how}, written by one",
            [task["written_bytes"] / 1e3 for task in passed],
            "kB",
            [],
            "",
            "nothing of it",
            HOW,
        ),
        Row(f"100 MB artifact {how}, copies of it in the store", [len(large)], "", [], "", "1", HOW),
    ]
