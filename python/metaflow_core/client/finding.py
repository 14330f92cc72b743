"""Finding what a pathspec names, and saying well what is not there or may not be seen.

Every public function of the client comes through here first, so the rules about namespaces
and the words of "does not exist" are in one place.
"""
from __future__ import annotations

from typing import Any

from ..errors import InvalidPathspec, NotFound
from ..ids import RUN_WORDS, Pathspec, parse_pathspec
from ..nearest import did_you_mean
from ..store.namespaces import check_namespace

__all__ = ["Found", "find", "flow_missing", "spec_step", "spec_steps"]

Row = dict[str, Any]


class Found:
    """A run that exists and may be seen, and the rest of the pathspec that led to it."""

    __slots__ = ("spec", "record", "tags")

    def __init__(self, spec: Pathspec, record: Row, tags: Row):
        self.spec = spec
        self.record = record
        self.tags = tags

    flow = property(lambda self: self.spec.flow)
    run = property(lambda self: self.spec.run)
    step = property(lambda self: self.spec.step)
    task = property(lambda self: self.spec.task)

    @property
    def run_pathspec(self) -> str:
        return f"{self.spec.flow}/{self.spec.run}"


def find(session: Any, pathspec: str, *levels: str) -> Found:
    """What `pathspec` names, down to its task. It must be of one of `levels`; each part of it must exist."""
    spec = parse_pathspec(pathspec, levels[0] if len(levels) == 1 else None)
    if spec.level not in levels:
        raise InvalidPathspec(
            f"{pathspec!r} is the pathspec of a {spec.level}; here it must be of a {' or a '.join(levels)}",
            data={"pathspec": pathspec},
        )
    found = _find_run(session, spec)
    if spec.step is not None:
        spec_step(found, spec.step)
    if spec.task is not None:
        _check_task(session, found)
    return found


def flow_missing(session: Any, flow: str) -> NotFound:
    flows = session.store.runs.list_flows()
    root = session.store.storage.root
    hint = did_you_mean(flow, flows) if flows else "It holds no runs. METAFLOW_DATASTORE_ROOT says where to look."
    return NotFound(f"there is no flow {flow!r} in the datastore at {root}", hint=hint, data={"flow": flow})


def spec_steps(record: Row) -> list[Row]:
    """The steps of a run's flow as they were written."""
    return (record.get("spec") or {}).get("steps") or []


def spec_step(found: Found, step: str) -> Row | None:
    """How the flow describes a step; NotFound with a near name when it has no such step."""
    steps = {row["name"]: row for row in spec_steps(found.record)}
    if steps and step not in steps:
        raise NotFound(
            f"{found.run_pathspec} has no step {step!r}",
            hint=did_you_mean(step, steps),
            data={"pathspec": str(found.spec)},
        )
    return steps.get(step)


def _find_run(session: Any, spec: Pathspec) -> Found:
    if spec.run in RUN_WORDS:
        row = session.latest_run(spec.flow, successful=spec.run == "latest_successful_run")
        if row is None:
            raise _no_latest(session, spec)
        spec = Pathspec(spec.flow, row["run"], *spec.parts[2:])
    try:
        record, tags = session.store.runs.read_run_and_tags(spec.flow, spec.run)
    except NotFound:
        raise _run_missing(session, spec) from None
    check_namespace(session.namespace, record, tags)
    return Found(spec, record, tags)


def _run_missing(session: Any, spec: Pathspec) -> NotFound:
    runs = [run for run in session.store.runs.list_runs(spec.flow) if session.store.runs.exists(spec.flow, run)]
    if not runs:
        return flow_missing(session, spec.flow)
    return NotFound(
        f"run {spec.run} of {spec.flow} does not exist; newest is {runs[-1]}",
        data={"pathspec": str(spec), "newest": runs[-1]},
    )


def _no_latest(session: Any, spec: Pathspec) -> NotFound:
    if not session.store.runs.list_runs(spec.flow):
        return flow_missing(session, spec.flow)
    what = "successful run" if spec.run == "latest_successful_run" else "run"
    inside = "" if session.namespace is None else f" in the namespace {session.namespace!r}"
    hint = "" if session.namespace is None else "Use set_namespace(NULL) to see everything."
    return NotFound(f"{spec.flow} has no {what}{inside}", hint=hint, data={"pathspec": str(spec)})


def _check_task(session: Any, found: Found) -> None:
    spec = found.spec
    if session.store.runs.list_attempts(spec.flow, spec.run, spec.step, spec.task):
        return
    tasks = session.store.runs.list_tasks(spec.flow, spec.run, spec.step)
    known = "it has not started" if not tasks else f"its tasks are {_range(tasks)}"
    raise NotFound(
        f"task {spec.task} of {found.run_pathspec}/{spec.step} does not exist; {known}", data={"pathspec": str(spec)}
    )


def _range(tasks: list[str]) -> str:
    if len(tasks) <= 5:
        return ", ".join(tasks)
    return f"{', '.join(tasks[:3])} … {tasks[-1]} ({len(tasks)} in all)"
