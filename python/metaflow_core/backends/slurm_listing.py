"""The jobs of a flow on Slurm, for `slurm list` and `slurm kill`."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from ..errors import BackendError, MetaflowError
from .jobs import Refused, Unanswered
from .slurm_command import ask_slurm

__all__ = ["SlurmJobs"]

_FIELDS = "ArrayJobID:|,ArrayTaskID:|,State:|,UserName:|,SubmitTime:|,Name:255"
_ONE_CALL = 500


class SlurmJobs:
    """The contract is JobList of contracts/backend.py; one question is for all partitions. Jobs that bear the name of a
    spec of this datastore are meant: another one may have runs of the same numbers."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def list(self, flow: str, run: str | None, places: Iterable[str] = ()) -> list[dict[str, Any]]:
        jobs: dict[str, dict[str, Any]] = {}
        for number, element, state, user, submitted, name in self._lines(flow, run):
            job = jobs.setdefault(number, {
                "job": number, "run": name.split("/")[1], "step": _step(name), "tasks": 0, "status": "waiting",
                "user": user, "created": time.mktime(time.strptime(submitted, "%Y-%m-%dT%H:%M:%S")),
            })
            job["tasks"] += _count(element)
            if state != "PENDING":
                job["status"] = "running"
        return list(jobs.values())

    def kill(self, flow: str, run: str | None, places: Iterable[str] = ()) -> list[str]:
        # The scheduler first, or it would start the tasks again.
        found = {number: _step(name) != "scheduler" for number, *_, name in self._lines(flow, run, "--me")}
        numbers = sorted(found, key=lambda number: (found[number], int(number)))
        for first in range(0, len(numbers), _ONE_CALL):
            self._ask("scancel", "--quiet", *numbers[first : first + _ONE_CALL], may_fail=True)
        return numbers

    def _lines(self, flow: str, run: str | None, *words: str) -> list[list[str]]:
        text = self._ask("squeue", "--noheader", "--all", *words, f"--Format={_FIELDS}")
        lines = [[part.strip() for part in line.split("|", 5)] for line in text.splitlines() if line.count("|") >= 5]
        own = [line for line in lines if line[5].startswith(f"{flow}/{run}/" if run else f"{flow}/")]
        known = {
            number: self._known(flow, number) for number in {line[5].split("/")[1] for line in own}
        }
        return [line for line in own if line[5].split("/", 2)[2] in known[line[5].split("/")[1]]]

    def _known(self, flow: str, run: str) -> set[str]:
        try:
            scheduler = (self._store.runs.read_status(flow, run).get("detached") or {}).get("name", "")
            return {*self._store.jobs.names(flow, run), scheduler.rpartition("/")[2]}
        except MetaflowError:
            return set()  # a run of another datastore

    def _ask(self, *words: str, may_fail: bool = False) -> str:
        try:
            return ask_slurm(*words, may_fail=may_fail)
        except (Refused, Unanswered) as problem:
            raise BackendError(f"Slurm cannot be asked: {problem}", hint="Ask on a machine of the cluster.") from None


def _step(name: str) -> str:
    return name.split("/")[2].split("-")[0]


def _count(element: str) -> int:
    """Tasks of a line of squeue: "7", or those that still wait together, "0-3,9%2"."""
    total = 0
    for part in element.partition("%")[0].strip("[]").split(","):
        first, _, last = part.partition("-")
        total += int(last) - int(first) + 1 if first.isdecimal() and last.isdecimal() else 1
    return total
