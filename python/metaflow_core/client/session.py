"""The client: everything a datastore can tell, as plain data.

`Session` is a table of contents; each method passes on to a function of the file named after
what it reads. All answers are made of dicts, lists, strings, numbers, booleans and None. Times
are seconds since 1970, sizes are bytes, ids of runs and tasks are strings.
"""
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..store.open import Store, open_store
from . import artifacts, code, flows, lineage, logs, runs, steps, tags, tasks

__all__ = ["Session"]

Row = dict[str, Any]


class Session:
    """A view of the datastore that `settings` names, through `namespace` (None: everything is seen)."""

    def __init__(self, settings: Any, namespace: str | None = None, store: Store | None = None):
        self.settings = settings
        self.namespace = namespace
        self.store = open_store(settings) if store is None else store

    # -- flows and runs

    def flows(self) -> list[Row]:
        """Flows with at least one run in the namespace: {"flow", "runs", "newest", "status", "created_at"}."""
        return flows.list_flows(self)

    def flow(self, flow: str) -> Row:
        """One of them; NotFound or NamespaceMismatch."""
        return flows.get_flow(self, flow)

    def runs(
        self, flow: str | None = None, where: Row | None = None, limit: int | None = None, offset: int = 0
    ) -> list[Row]:
        """Rows of runs, newest first. `where`: see contracts.index.WHERE; "lost" is a status too."""
        return runs.list_runs(self, flow, where, limit, offset)

    def run(self, pathspec: str) -> Row:
        """Everything about a run but its tasks."""
        return runs.get_run(self, pathspec)

    def latest_run(self, flow: str, successful: bool = False) -> Row | None:
        """The row of the newest run in the namespace, None when there is none."""
        return runs.latest_run(self, flow, successful)

    def latest_successful_run(self, flow: str) -> Row | None:
        return runs.latest_run(self, flow, successful=True)

    def spec(self, pathspec: str) -> Row:
        """The FlowSpec that a run was made of."""
        return runs.get_spec(self, pathspec)

    # -- steps and tasks

    def steps(self, pathspec: str) -> list[Row]:
        """The steps of a run in the order of the flow, those that have not started included."""
        return steps.list_steps(self, pathspec)

    def step(self, pathspec: str) -> Row:
        return steps.get_step(self, pathspec)

    def tasks(
        self, pathspec: str, status: str | None = None, limit: int | None = None, offset: int = 0
    ) -> list[Row]:
        """Rows of the tasks of a step, or of all steps of a run."""
        return tasks.list_tasks(self, pathspec, status, limit, offset)

    def task(self, pathspec: str, attempt: int | None = None) -> Row:
        """Everything about a task, seen from one attempt: by default the last that finished."""
        return tasks.get_task(self, pathspec, attempt)

    def attempts(self, pathspec: str) -> list[Row]:
        """The attempts of a task, those still running included."""
        return tasks.list_attempts(self, pathspec)

    def parents(self, pathspec: str) -> list[str]:
        """Pathspecs of the tasks that a task came from."""
        return tasks.list_parents(self, pathspec)

    def children(self, pathspec: str) -> list[str]:
        """Pathspecs of the finished tasks that came from a task."""
        return tasks.list_children(self, pathspec)

    def lineage(self, pathspec: str, direction: str = "both", depth: int = 50) -> Row:
        """What an artifact (or all that a task made) comes from, and what came of it: see client/lineage.py."""
        return lineage.lineage(self, pathspec, direction, depth)

    # -- artifacts

    def artifacts(self, pathspec: str, attempt: int | None = None) -> dict[str, Row]:
        """{name: ArtifactRecord} of a task, or of a run: those of its end task."""
        return artifacts.list_artifacts(self, pathspec, attempt)

    def locate(
        self, pathspec: str, name: str | None = None, attempt: int | None = None, verify: bool = False
    ) -> Row:
        """Where to read an artifact: its record and {"path", "offset", "size"} of a local file.

        `pathspec` is of the artifact, or of its task or run together with `name`. The size of the
        file is always checked; `verify` checks the digest of the bytes too.
        """
        return artifacts.locate(self, pathspec, name, attempt, verify)

    def condition(self, pathspec: str, attempt: int | None = None) -> Row | None:
        """Where to read the R condition that a task failed with, as `locate` says it; None when none was kept."""
        return artifacts.locate_condition(self, pathspec, attempt)

    # -- logs

    def log(
        self, pathspec: str, stream: str = "stdout", attempt: int | None = None,
        offset: int = 0, max_bytes: int | None = None,
    ) -> Row:
        """What a task wrote: {"text", "offset", "next_offset", "size", "finished", …}."""
        return logs.read_log(self, pathspec, stream, attempt, offset, max_bytes)

    def loglines(
        self, pathspec: str, streams: Iterable[str] = ("stdout", "stderr"), attempt: int | None = None,
        times: bool = False,
    ) -> list[Row]:
        """Lines of the tasks of a run, step or task: {"step", "task", "attempt", "position", "stream", "line"}; with
        `times` also "time", when the line was first seen (seconds since 1970), where that is known."""
        return logs.read_lines(self, pathspec, streams, attempt, times)

    # -- tags

    def add_tags(self, pathspec: str, new: Iterable[str]) -> Row:
        """Add user tags to a run: {"tags", "system_tags"} afterwards."""
        return tags.replace_tags(self, pathspec, remove=(), add=new)

    def remove_tags(self, pathspec: str, old: Iterable[str]) -> Row:
        return tags.replace_tags(self, pathspec, remove=old, add=())

    def replace_tags(self, pathspec: str, old: Iterable[str], new: Iterable[str]) -> Row:
        """Remove and add in one step, so that nobody sees the run with neither."""
        return tags.replace_tags(self, pathspec, remove=old, add=new)

    # -- code

    def code_files(self, pathspec: str) -> list[Row]:
        """The files of a run's code package: {"name", "size_bytes"}."""
        return code.list_files(self, pathspec)

    def code_file(self, pathspec: str, name: str) -> Row:
        """One of them: {"name", "text"}; "text" is None and "base64" is set for what is not text."""
        return code.read_file(self, pathspec, name)

    def code_digests(self, pathspec: str) -> dict[str, str]:
        """{name: sha256} of them; empty for a run that was made without a package."""
        return code.digests(self, pathspec)

    def code_extract(self, pathspec: str, folder: str) -> list[str]:
        """Write them below a folder; the paths written."""
        return code.extract(self, pathspec, folder)

    def captured_code(self, pathspec: str) -> Row:
        """Where the captured step functions of a run are: {"path", "digest", "size"}."""
        return code.captured(self, pathspec)

    # -- upkeep

    def reindex(self) -> Row:
        """Make the index equal to the datastore: {"flows", "runs", "tasks", "problems"}."""
        return self.store.reindex()

    def close(self) -> None:
        self.store.close()
