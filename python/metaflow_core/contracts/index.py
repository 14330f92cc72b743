"""What an index is: rows about runs and tasks, quick to find. The store is the truth.

An index may lose everything at any time: it says so by calling `fill`, which merges the rows
of the store back in. Rows about one run carry the versions of its mutable records, and an
older version never replaces a newer one, so that rows may arrive in any order, from several
processes, during a rebuild or not.

A new index is one file in ``indexes/`` and is tested by one line: subclass ``IndexSuite``
from ``tests/python/suites/index.py``.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

from ..errors import UnknownOption
from ..nearest import did_you_mean

__all__ = ["TASK_COLUMNS", "WHERE", "Index", "check_where"]

Row = dict[str, Any]

TASK_COLUMNS = (
    "flow", "run", "step", "task", "attempt", "position", "status", "started_at", "finished_at",
    "cause", "message", "origin", "max_rss_bytes", "user_seconds",
)

#: What `where` may ask for. Times are seconds since 1970, both ends included.
WHERE = {
    "status": "one of running, completed, failed, interrupted, or a list of them",
    "tags_all": "tags that a run must all have, its own or the system's",
    "namespace": "a tag that a run must have, None for any",
    "user": "who started the run",
    "origin_run": "the run that it was resumed from",
    "created_after": "seconds since 1970",
    "created_before": "seconds since 1970",
}


def check_where(where: Row | None) -> Row:
    """`where` as a dict; UnknownOption with a suggestion for a word that is not in WHERE."""
    for word in where or ():
        if word not in WHERE:
            raise UnknownOption(f"runs cannot be filtered by {word!r}", hint=did_you_mean(word, WHERE))
    return dict(where or {})


@runtime_checkable
class Index(Protocol):
    """Rows are dicts of JSON values. Run and task ids are strings of numbers and sort as numbers."""

    name: str

    def record_run(self, record: Row, status: Row, tags: Row) -> None:
        """Put in one run: the contents of run.json, status.json and tags.json."""

    def record_runs(self, triples: Iterable[tuple[Row, Row, Row]]) -> None:
        """The same for many runs, in one transaction."""

    def record_status(self, flow: str, run: str, status: Row) -> None:
        """A new status.json; ignored when the index knows a newer version."""

    def record_tags(self, flow: str, run: str, tags: Row) -> None:
        """A new tags.json; ignored when the index knows a newer version. Ends one `mark_changing`."""

    def mark_changing(self, flow: str, run: str) -> None:
        """Somebody is about to change a record of this run: until `record_tags` it is unsettled."""

    def record_tasks(self, rows: Iterable[Row], keep: bool = False) -> None:
        """Put in rows with TASK_COLUMNS, in one transaction. `keep`: leave rows alone that are not "running"."""

    def forget_runs(self, flow: str, runs: Iterable[str]) -> None:
        """Drop the rows of these runs and of their tasks."""

    def flows(self, namespace: str | None = None) -> list[Row]:
        """{"flow", "runs": how many, "newest": run id} by name, counting runs of the namespace only."""

    def runs(
        self, flow: str | None = None, where: Row | None = None,
        limit: int | None = None, offset: int = 0, newest_first: bool = True,
    ) -> list[Row]:
        """Rows of runs, see WHERE; of all flows in order of creation when `flow` is None."""

    def run(self, flow: str, run: str) -> Row | None:
        """The row of one run."""

    def run_ids(self, flow: str) -> set[str]:
        """Ids of all runs of a flow that are in the index."""

    def unsettled(self, flow: str | None = None) -> list[tuple[str, str]]:
        """(flow, run) of the rows that may be behind the store: running, or being changed."""

    def tasks(
        self, flow: str, run: str, step: str | None = None, where: Row | None = None,
        all_attempts: bool = False, limit: int | None = None, offset: int = 0,
    ) -> list[Row]:
        """Rows of tasks by step, task and attempt; the latest attempt of each unless `all_attempts`."""

    def counts(self, flow: str, run: str) -> dict[str, dict[str, int]]:
        """{step: {status: how many tasks}}, by the latest attempt of each task."""

    def spans(self, flow: str, run: str) -> dict[str, tuple[float | None, float | None]]:
        """{step: (when its first task started, when its last one finished)}."""

    def announce(self, flow: str, run: str) -> None:
        """Wake those who watch a run: something changed that has no row, such as what a task printed."""

    def watch(self, flow: str, run: str, timeout_seconds: float) -> bool:
        """Wait for at most so many seconds. True as soon as something may have changed about the run: look again."""

    def close(self) -> None:
        """Let go of files and connections. The next call opens them again."""
